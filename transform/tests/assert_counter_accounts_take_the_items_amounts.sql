-- The counter accounts receive the amounts of the items.
select entries.accounting_entry_id, entries.amount, expenses.wallet_amount
from {{ ref('pleo__journal_entries') }} as entries
inner join {{ ref('pleo__expenses') }} as expenses on expenses.accounting_entry_id = entries.accounting_entry_id
where entries.leg = 'counter' and entries.amount + expenses.wallet_amount <> 0
