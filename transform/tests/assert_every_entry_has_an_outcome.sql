-- Every entry that changed is booked, has nothing to book, or says why not.
select expenses.accounting_entry_id
from (select * from {{ ref('pleo__expenses') }}) as expenses
left join (select * from {{ ref('int_pleo__entries') }}) as entries on entries.accounting_entry_id = expenses.accounting_entry_id
where expenses.accounting_entry_id in (select accounting_entry_id from {{ ref('int_pleo__changed_entries') }})
  and (
    entries.decision is null
    or entries.decision = 'withdraw' and entries.reason is null
    or entries.decision = 'book' and not exists (
      select 1 from (select * from {{ ref('pleo__vouchers') }}) as vouchers
      where vouchers.accounting_entry_id = expenses.accounting_entry_id
    )
  )
