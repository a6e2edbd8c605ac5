-- What a user's project builds on the package: totals by account.
select account, sum(amount) as amount
from {{ ref('pleo__journal_entries') }}
group by account
