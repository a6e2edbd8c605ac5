with items as (
  select job_id, accounting_entry_id, validation_checks
  from {{ ref('stg_pleo__export_items') }}
)

select
  items.job_id,
  items.accounting_entry_id,
  finding.position as finding_number,
  {{ pleo_text('finding.element', ['check']) }} as check_id,
  {{ pleo_text('finding.element', ['status']) }} as status,
  {{ pleo_text('finding.element', ['severity']) }} as severity,
  {{ pleo_text('finding.element', ['failureReasonType']) }} as failure_reason_type,
  {{ pleo_text('finding.element', ['failureReason']) }} as failure_reason,
  {{ pleo_text('finding.element', ['path']) }} as path
from items
{{ pleo_elements('items.validation_checks', 'finding') }}
