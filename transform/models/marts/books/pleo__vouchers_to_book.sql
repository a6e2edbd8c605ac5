{{ config(materialized='view') }}

-- Vouchers to record, without bookings that another integration reported to Pleo and without pairs of a voucher and its
-- reversal.
with recorded as (
  select recorded.voucher_id, recorded.external_id, vouchers.accounting_entry_id
  from (select * from {{ ref('int_pleo__recorded_vouchers') }}) as recorded
  inner join (select * from {{ ref('pleo__vouchers') }}) as vouchers on vouchers.voucher_id = recorded.voucher_id
),

-- Items that are successful in Pleo, with an external id that is not ours.
reported_by_others as (
  select job_items.job_id, job_items.accounting_entry_id, job_items.exported_at
  from (select * from {{ ref('stg_pleo__export_job_items') }}) as job_items
  left join recorded
    on recorded.accounting_entry_id = job_items.accounting_entry_id
    and coalesce(recorded.external_id = job_items.external_id, true)
  where job_items.status = 'successful' and recorded.voucher_id is null
),

-- They mean the booking that was current when the item was exported, or else the first of its job.
ranked as (
  select
    vouchers.voucher_id,
    row_number() over (
      partition by items.job_id, vouchers.accounting_entry_id, vouchers.document
      order by
        case
          when vouchers.published_at <= items.exported_at then 0
          when vouchers.job_id = items.job_id then 1
          else 2
        end,
        case when vouchers.published_at <= items.exported_at or vouchers.job_id <> items.job_id then -vouchers.version
          else vouchers.version
        end
    ) as place
  from reported_by_others as items
  inner join (select * from {{ ref('pleo__vouchers') }}) as vouchers
    on vouchers.accounting_entry_id = items.accounting_entry_id and vouchers.kind = 'booking'
),

waiting as (
  select vouchers.voucher_id, vouchers.reverses
  from (select * from {{ ref('pleo__vouchers') }}) as vouchers
  where vouchers.voucher_id not in (select voucher_id from recorded)
    and vouchers.voucher_id not in (select voucher_id from ranked where place = 1)
)

select
  {% for column in pleo_published_columns() -%}
  vouchers.{{ column }}{{ ',' if not loop.last }}
  {% endfor %}
from (select * from {{ ref('pleo__vouchers') }}) as vouchers
inner join waiting on waiting.voucher_id = vouchers.voucher_id
left join waiting as reversal on reversal.reverses = vouchers.voucher_id
left join waiting as original on original.voucher_id = vouchers.reverses
where reversal.voucher_id is null and original.voucher_id is null
