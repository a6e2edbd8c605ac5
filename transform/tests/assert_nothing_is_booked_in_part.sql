-- Every expense is booked, unposted with a reason, failed or abandoned.
select expenses.accounting_entry_id
from {{ ref('pleo__expenses') }} as expenses
left join (select distinct accounting_entry_id from {{ ref('pleo__journal_entries') }}) as booked
  on booked.accounting_entry_id = expenses.accounting_entry_id
left join {{ ref('pleo__unposted_items') }} as unposted on unposted.accounting_entry_id = expenses.accounting_entry_id
where (
    cast(booked.accounting_entry_id is not null as integer)
    + cast(unposted.accounting_entry_id is not null as integer)
    + cast(
      coalesce(expenses.validation_status, 'passed') = 'failed'
      or coalesce(expenses.pleo_status, 'pending') in ('failed', 'abandoned') as integer
    )
  ) <> 1
