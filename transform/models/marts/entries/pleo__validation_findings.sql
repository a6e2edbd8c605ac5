{{ config(indexes=pleo_indexes([], ['accounting_entry_id'])) }}

with items as (
  select job_id, accounting_entry_id, company_id, validation_checks
  from {{ ref('stg_pleo__export_items') }}
  {{- pleo_where_changed() }}
),

findings as (
  select
    items.job_id,
    items.accounting_entry_id,
    items.company_id,
    finding.position as finding_number,
    {{ pleo_text('finding.element', ['check']) }} as check_id,
    {{ pleo_text('finding.element', ['status']) }} as status,
    {{ pleo_text('finding.element', ['severity']) }} as severity,
    {{ pleo_text('finding.element', ['failureReasonType']) }} as failure_reason_type,
    {{ pleo_text('finding.element', ['failureReason']) }} as failure_reason,
    {{ pleo_text('finding.element', ['path']) }} as path
  from items
  {{ pleo_elements('items.validation_checks', 'finding') }}
)

select
  findings.job_id || '/' || findings.accounting_entry_id || '/' || cast(findings.finding_number as text)
    as finding_key,
  findings.job_id,
  findings.accounting_entry_id,
  expenses.accounting_entry_id is not null as is_latest,
  findings.company_id,
  findings.finding_number,
  findings.check_id,
  findings.status,
  findings.severity,
  findings.failure_reason_type,
  findings.failure_reason,
  findings.path
from findings
left join (select * from {{ ref('pleo__expenses') }}) as expenses
  on expenses.job_id = findings.job_id and expenses.accounting_entry_id = findings.accounting_entry_id
where findings.status <> 'passed'
