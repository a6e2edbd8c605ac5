{{ config(materialized='view') }}

-- Names and shape are those of the stream `export_job_item_updates` of target-pleo-export.
-- Items that Pleo waits for, in jobs that can still be written to.
with open_items as (
  select items.job_id, items.accounting_entry_id
  from (select * from {{ ref('stg_pleo__export_job_items') }}) as items
  left join (select * from {{ ref('stg_pleo__export_jobs') }}) as jobs on jobs.job_id = items.job_id
  where coalesce(items.status, 'pending') not in ('successful', 'failed', 'abandoned')
    and not coalesce(jobs.is_over, false)
    and coalesce(jobs.expires_at > current_timestamp, true)
),

current_vouchers as (
  select
    vouchers.accounting_entry_id,
    count(*) as vouchers,
    count(recorded.voucher_id) as recorded_vouchers,
    min(recorded.recorded_at) as recorded_at
  from (select * from {{ ref('pleo__vouchers') }}) as vouchers
  left join (select * from {{ ref('pleo__vouchers') }}) as reversals on reversals.reverses = vouchers.voucher_id
  left join (select * from {{ ref('int_pleo__recorded_vouchers') }}) as recorded on recorded.voucher_id = vouchers.voucher_id
  where vouchers.kind = 'booking' and reversals.voucher_id is null
    and vouchers.accounting_entry_id in (select accounting_entry_id from open_items)
  group by vouchers.accounting_entry_id
),

first_records as (
  select vouchers.accounting_entry_id, recorded.external_id, recorded.external_url, recorded.recorded_at,
    row_number() over (
      partition by vouchers.accounting_entry_id
      order by recorded.recorded_at nulls last, vouchers.version, vouchers.document
    ) as place
  from (select * from {{ ref('int_pleo__recorded_vouchers') }}) as recorded
  inner join (select * from {{ ref('pleo__vouchers') }}) as vouchers on vouchers.voucher_id = recorded.voucher_id
  where vouchers.kind = 'booking'
),

recorded as (
  select
    current_vouchers.accounting_entry_id,
    first_records.external_id,
    first_records.external_url,
    first_records.recorded_at
  from current_vouchers
  inner join first_records
    on first_records.accounting_entry_id = current_vouchers.accounting_entry_id and first_records.place = 1
  where current_vouchers.recorded_vouchers = current_vouchers.vouchers
  union all
  select accounting_entry_id, cast(null as text), cast(null as text), cast(null as timestamp with time zone)
  from {{ ref('int_pleo__entries') }}
  where decision = 'nothing'
),

-- Findings are reported to Pleo; checks that broke are not.
findings as (
  select
    checks.*,
    row_number() over (
      partition by checks.job_id, checks.accounting_entry_id
      order by checks.finding_number
    ) as place
  from (select * from {{ ref('pleo__validation_findings') }}) as checks
  where checks.status = 'failed' and checks.severity = 'error'
),

failed as (
  select
    job_id,
    accounting_entry_id,
    max(case when place = 1 then failure_reason_type end) as failure_reason_type,
    string_agg(failure_reason, '; ' order by place) as failure_reason
  from findings
  group by job_id, accounting_entry_id
)

select
  cast(items.job_id as text) as "jobId",
  cast(items.accounting_entry_id as text) as "accountingEntryId",
  cast(case when recorded.accounting_entry_id is null then 'failed' else 'successful' end as text) as "status",
  cast(case when recorded.accounting_entry_id is null then failed.failure_reason_type end as text)
    as "failureReasonType",
  cast(case when recorded.accounting_entry_id is null then failed.failure_reason end as text) as "failureReason",
  cast(recorded.external_id as text) as "externalId",
  cast(recorded.external_url as text) as "externalUrl",
  cast({{ pleo_iso('recorded.recorded_at') }} as text) as "exportedAt"
from open_items as items
left join recorded on recorded.accounting_entry_id = items.accounting_entry_id
left join failed on failed.job_id = items.job_id and failed.accounting_entry_id = items.accounting_entry_id
where recorded.accounting_entry_id is not null or failed.job_id is not null
