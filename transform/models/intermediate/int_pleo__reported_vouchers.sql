-- Bookings that another integration has reported to Pleo: an entry is successful in a job, with an external id that is not
-- ours. That means the booking of the job, or else of the one before it; if it changed in the meantime, the one that was
-- current when the item was exported, or else the first.
with recorded as (
  select vouchers.accounting_entry_id, recorded.external_id
  from (select * from {{ ref('int_pleo__recorded_vouchers') }}) as recorded
  inner join (select * from {{ ref('pleo__vouchers') }}) as vouchers on vouchers.voucher_id = recorded.voucher_id
),

successes as (
  select
    job_items.job_id,
    job_items.accounting_entry_id,
    job_items.external_id,
    job_items.external_url,
    job_items.exported_at,
    jobs.created_at
  from (select * from {{ ref('stg_pleo__export_job_items') }}) as job_items
  left join (select * from {{ ref('stg_pleo__export_jobs') }}) as jobs on jobs.job_id = job_items.job_id
  left join recorded
    on recorded.accounting_entry_id = job_items.accounting_entry_id
    and recorded.external_id is not distinct from job_items.external_id
  where job_items.status = 'successful' and recorded.accounting_entry_id is null
),

bookings as (
  select
    vouchers.voucher_id,
    vouchers.document,
    successes.*,
    case when own_job.created_at <= successes.created_at then own_job.created_at end as delivered_at,
    case when vouchers.published_at <= successes.exported_at then vouchers.version else 0 end as known_version,
    vouchers.version
  from successes
  inner join (select * from {{ ref('pleo__vouchers') }}) as vouchers
    on vouchers.accounting_entry_id = successes.accounting_entry_id and vouchers.kind = 'booking'
  left join (select * from {{ ref('stg_pleo__export_jobs') }}) as own_job on own_job.job_id = vouchers.job_id
),

ranked as (
  select
    *,
    row_number() over (
      partition by job_id, accounting_entry_id, document
      order by delivered_at desc nulls last, known_version desc, version
    ) as place
  from bookings
),

reported as (
  select
    *,
    row_number() over (partition by voucher_id order by exported_at nulls last, created_at, job_id) as report
  from ranked
  where place = 1
)

select voucher_id, external_id, external_url, exported_at
from reported
where report = 1
