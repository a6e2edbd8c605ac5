with loaded as (
  {{ pleo_rows('export_job_items', ['exportJobId', 'accountingEntryId']) }}
)

select
  lower("exportJobId") as job_id,
  lower("accountingEntryId") as accounting_entry_id,
  "status" as status,
  {{ pleo_timestamp('"exportedAt"') }} as exported_at,
  "externalId" as external_id,
  "externalUrl" as external_url,
  "failureReasonType" as failure_reason_type,
  "failureReason" as failure_reason
from loaded
