{{ config(materialized='view') }}

-- Vouchers to record, without bookings that another integration reported to Pleo and without pairs of a voucher and its
-- reversal.
with states as (
  select
    vouchers.voucher_id,
    vouchers.kind,
    vouchers.reverses,
    recorded.voucher_id is not null as is_recorded,
    reported.voucher_id is not null as is_reported
  from (select * from {{ ref('pleo__vouchers') }}) as vouchers
  left join (select * from {{ ref('int_pleo__recorded_vouchers') }}) as recorded on recorded.voucher_id = vouchers.voucher_id
  left join (select * from {{ ref('int_pleo__reported_vouchers') }}) as reported on reported.voucher_id = vouchers.voucher_id
),

waiting as (
  select voucher_id, reverses from states where not is_recorded and not is_reported
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
