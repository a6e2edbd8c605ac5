-- All vouchers of an entry that is withdrawn and was not recorded are reversed.
select entries.accounting_entry_id, entries.reason
from (select * from {{ ref('int_pleo__entries') }}) as entries
inner join (select * from {{ ref('int_pleo__changed_entries') }}) as changes
  on changes.accounting_entry_id = entries.accounting_entry_id
inner join (select * from {{ ref('pleo__vouchers') }}) as vouchers on vouchers.accounting_entry_id = entries.accounting_entry_id
left join (select * from {{ source('pleo_export', 'pleo_recorded') }}) as recorded
  on lower(coalesce(recorded.accounting_entry_id, split_part(recorded.voucher_id, '/', 1))) = entries.accounting_entry_id
where entries.decision = 'withdraw' and recorded.voucher_id is null and recorded.accounting_entry_id is null
group by entries.accounting_entry_id, entries.reason
having count(*) filter (where vouchers.kind = 'booking') <> count(*) filter (where vouchers.kind = 'reversal')
