-- A model of a user's project, built on the package: totals by account.
select account, sum(amount) as amount
from {{ ref('pleo__journal_entries') }}
group by account
