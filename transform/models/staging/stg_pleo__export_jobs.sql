{{ config(
  materialized='incremental', unique_key='job_id', incremental_strategy='delete+insert',
  indexes=pleo_indexes(['job_id'], ['staged_in']),
  post_hook=["{{ pleo_advance('export_jobs') }}", "{{ pleo_analyze() }}"]
) }}

with loaded as (
  {{ pleo_new_rows('export_jobs', ['id']) }}
),

parsed as (
  select
    lower("id") as job_id,
    lower("companyId") as company_id,
    "status" as status,
    "numberOfItems" as number_of_items,
    {{ pleo_timestamp('"createdAt"') }} as created_at,
    {{ pleo_timestamp('"startedAt"') }} as started_at,
    {{ pleo_timestamp('"lastUpdatedAt"') }} as last_updated_at,
    {{ pleo_timestamp('"expiresAt"') }} as expires_at,
    {{ pleo_timestamp('"completedAt"') }} as completed_at,
    "failureReasonType" as failure_reason_type,
    "failureReason" as failure_reason,
    loaded
  from loaded
  where "id" is not null
),

{%- set columns = ['job_id', 'company_id', 'status', 'number_of_items', 'created_at', 'started_at', 'last_updated_at', 'expires_at', 'completed_at', 'failure_reason_type', 'failure_reason', 'loaded'] %}

known as (
  select {{ columns | join(', ') }} from parsed
  {%- if is_incremental() %}
  union all
  -- Jobs that have expired since they were read.
  select {{ columns | join(', ') }}
  from {{ this }}
  where not is_over and expires_at <= current_timestamp and job_id not in (select job_id from parsed)
  {%- endif %}
),

-- A job past its expiry is over, even if its last known status is open.
judged as (
  select
    *,
    coalesce(status in ('completed', 'completed_with_errors', 'failed'), false)
      or coalesce(expires_at <= current_timestamp and completed_at is null, false) as is_over
  from known
)

select judged.*, cast({{ pleo_build() }} as bigint) as staged_in
from judged
{%- if is_incremental() %}
left join {{ this }} as stored on stored.job_id = judged.job_id
where stored.job_id is null
  or {{ pleo_differs('stored', 'judged', columns[1:-1] + ['is_over']) }}
{%- endif %}
