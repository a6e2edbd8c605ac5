with loaded as (
  {{ pleo_rows('export_jobs', ['id']) }}
)

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
  "failureReason" as failure_reason
from loaded
