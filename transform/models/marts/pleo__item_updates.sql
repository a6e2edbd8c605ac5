{{ config(materialized='view') }}

-- Names and shape are those of the stream `export_job_item_updates` of target-pleo-export.
with recorded as (
  select
    lower(job_id) as job_id,
    lower(accounting_entry_id) as accounting_entry_id,
    external_id,
    external_url,
    recorded_at
  from {{ source('pleo_export', 'pleo_recorded') }}
),

-- Findings are reported to Pleo, broken checks are not.
findings as (
  select
    checks.*,
    row_number() over (
      partition by checks.job_id, checks.accounting_entry_id
      order by checks.finding_number
    ) as place
  from {{ ref('pleo__validation_findings') }} as checks
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
),

updates as (
  select
    job_id,
    accounting_entry_id,
    'successful' as status,
    cast(null as text) as failure_reason_type,
    cast(null as text) as failure_reason,
    external_id,
    external_url,
    {{ pleo_iso('recorded_at') }} as exported_at
  from recorded
  union all
  select
    failed.job_id,
    failed.accounting_entry_id,
    'failed',
    failed.failure_reason_type,
    failed.failure_reason,
    cast(null as text),
    cast(null as text),
    cast(null as text)
  from failed
  left join recorded
    on recorded.job_id = failed.job_id and recorded.accounting_entry_id = failed.accounting_entry_id
  where recorded.job_id is null
)

select
  cast(updates.job_id as text) as "jobId",
  cast(updates.accounting_entry_id as text) as "accountingEntryId",
  cast(updates.status as text) as "status",
  cast(updates.failure_reason_type as text) as "failureReasonType",
  cast(updates.failure_reason as text) as "failureReason",
  cast(updates.external_id as text) as "externalId",
  cast(updates.external_url as text) as "externalUrl",
  cast(updates.exported_at as text) as "exportedAt"
from updates
left join {{ ref('stg_pleo__export_job_items') }} as known
  on known.job_id = updates.job_id and known.accounting_entry_id = updates.accounting_entry_id
left join {{ ref('stg_pleo__export_jobs') }} as jobs on jobs.job_id = updates.job_id
where known.status is distinct from updates.status
  and coalesce(known.status, 'pending') <> case when updates.status = 'failed' then 'successful' else '' end
  and coalesce(jobs.status, 'pending') not in ('completed', 'completed_with_errors', 'failed')
