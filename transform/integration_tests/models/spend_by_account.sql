-- A model of a user's project, built on the package: totals by account.
select account_code as account, sum(amount) as amount
from {{ ref('pleo__voucher_lines') }}
group by account_code
