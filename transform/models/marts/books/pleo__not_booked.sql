{{ config(materialized='view') }}

-- Entries that we have not booked, with the reason.
with newest as (
  select
    vouchers.accounting_entry_id,
    bool_or(vouchers.kind = 'booking') as is_booked
  from (select * from {{ ref('pleo__vouchers') }}) as vouchers
  left join (select * from {{ ref('pleo__vouchers') }}) as reversals on reversals.reverses = vouchers.voucher_id
  where vouchers.kind = 'booking' and reversals.voucher_id is null
  group by vouchers.accounting_entry_id
),

recorded as (
  select distinct vouchers.accounting_entry_id
  from (select * from {{ ref('int_pleo__recorded_vouchers') }}) as recorded
  inner join (select * from {{ ref('pleo__vouchers') }}) as vouchers on vouchers.voucher_id = recorded.voucher_id
)

select
  entries.accounting_entry_id,
  expenses.job_id,
  expenses.company_id,
  case
    when entries.decision = 'nothing' then 'nothing_to_book'
    when newest.accounting_entry_id is not null then 'reported_by_another_integration'
    when entries.has_succeeded then 'reported_by_another_integration'
    else coalesce(entries.reason, 'unknown')
  end as reason,
  entries.detail,
  expenses.wallet_currency as currency,
  expenses.wallet_amount as amount,
  job_items.external_id
from (select * from {{ ref('int_pleo__entries') }}) as entries
inner join (select * from {{ ref('pleo__expenses') }}) as expenses on expenses.accounting_entry_id = entries.accounting_entry_id
left join (select * from {{ ref('stg_pleo__export_job_items') }}) as job_items
  on job_items.job_id = entries.job_id and job_items.accounting_entry_id = entries.accounting_entry_id
left join newest on newest.accounting_entry_id = entries.accounting_entry_id
left join recorded on recorded.accounting_entry_id = entries.accounting_entry_id
where newest.accounting_entry_id is null
  or entries.has_succeeded and recorded.accounting_entry_id is null
