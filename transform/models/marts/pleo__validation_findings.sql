with findings as (
  select checks.*, items.company_id
  from {{ ref('stg_pleo__validation_checks') }} as checks
  inner join {{ ref('stg_pleo__export_items') }} as items
    on items.job_id = checks.job_id and items.accounting_entry_id = checks.accounting_entry_id
  where checks.status <> 'passed'
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
left join {{ ref('pleo__expenses') }} as expenses
  on expenses.job_id = findings.job_id and expenses.accounting_entry_id = findings.accounting_entry_id
