-- Which vouchers the accounting system has recorded. A row with job and entry means the vouchers that were current when it
-- was written, so the newest version published by then, else that of the job, else the newest.
with vouchers as (
  select voucher_id, accounting_entry_id, job_id, kind, document, version, published_at
  from {{ ref('pleo__vouchers') }}
),

by_voucher as (
  select vouchers.voucher_id, recorded.external_id, recorded.external_url, recorded.recorded_at
  from (select * from {{ source('pleo_export', 'pleo_recorded') }}) as recorded
  inner join vouchers on vouchers.voucher_id = lower(recorded.voucher_id)
  where recorded.voucher_id is not null
),

by_entry as (
  select
    vouchers.voucher_id,
    recorded.external_id,
    recorded.external_url,
    recorded.recorded_at,
    row_number() over (
      partition by lower(recorded.job_id), vouchers.accounting_entry_id, vouchers.document
      order by
        case
          when vouchers.published_at <= recorded.recorded_at then 0
          when vouchers.job_id = lower(recorded.job_id) then 1
          else 2
        end,
        vouchers.version desc
    ) as place
  from (select * from {{ source('pleo_export', 'pleo_recorded') }}) as recorded
  inner join vouchers on vouchers.accounting_entry_id = lower(recorded.accounting_entry_id)
  where recorded.voucher_id is null and vouchers.kind = 'booking'
),

found as (
  select voucher_id, external_id, external_url, recorded_at from by_voucher
  union all
  select voucher_id, external_id, external_url, recorded_at from by_entry where place = 1
),

ranked as (
  select *, row_number() over (partition by voucher_id order by recorded_at nulls last, external_id) as place
  from found
)

select voucher_id, external_id, external_url, recorded_at
from ranked
where place = 1
