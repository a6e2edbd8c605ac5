-- The sum of an entry's vouchers, account by account, is its current booking: that of its drafts, or zero without one.
with changed as (
  select entries.accounting_entry_id, entries.decision
  from (select * from {{ ref('int_pleo__entries') }}) as entries
  inner join (select * from {{ ref('int_pleo__changed_entries') }}) as changes
    on changes.accounting_entry_id = entries.accounting_entry_id
  where entries.decision in ('book', 'nothing') and entries.is_latest
),

differences as (
  select accounting_entry_id, role, coalesce(account_code, account_identifier) as account, amount
  from {{ ref('pleo__voucher_lines') }}
  where accounting_entry_id in (select accounting_entry_id from changed)
  union all
  select accounting_entry_id, role, coalesce(account_code, account_identifier), -amount
  from {{ ref('int_pleo__voucher_draft_lines') }}
  where accounting_entry_id in (select accounting_entry_id from changed)
)

select accounting_entry_id, role, account, sum(amount) as difference
from differences
group by accounting_entry_id, role, account
having sum(amount) <> 0
