{{ config(
  materialized='incremental', unique_key=['job_id', 'accounting_entry_id'], incremental_strategy='delete+insert',
  indexes=pleo_indexes(['job_id', 'accounting_entry_id'], ['accounting_entry_id'], ['staged_in'], ['loaded']),
  post_hook=["{{ pleo_advance('export_job_items') }}", "{{ pleo_analyze() }}"]
) }}

with loaded as (
  {{ pleo_new_rows('export_job_items', ['exportJobId', 'accountingEntryId']) }}
),

parsed as (
  select
    lower("exportJobId") as job_id,
    lower("accountingEntryId") as accounting_entry_id,
    "status" as status,
    {{ pleo_timestamp('"exportedAt"') }} as exported_at,
    "externalId" as external_id,
    "externalUrl" as external_url,
    "failureReasonType" as failure_reason_type,
    "failureReason" as failure_reason,
    loaded
  from loaded
  where "exportJobId" is not null and "accountingEntryId" is not null
)

select parsed.*, cast({{ pleo_build() }} as bigint) as staged_in
from parsed
{%- if is_incremental() %}
left join {{ this }} as stored
  on stored.job_id = parsed.job_id and stored.accounting_entry_id = parsed.accounting_entry_id
where stored.job_id is null
  or {{ pleo_is_newer('stored', 'parsed') }} and {{ pleo_differs(
    'stored', 'parsed',
    ['status', 'exported_at', 'external_id', 'external_url', 'failure_reason_type', 'failure_reason']
  ) }}
{%- endif %}
