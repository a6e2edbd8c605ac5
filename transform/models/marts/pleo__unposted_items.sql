select
  accounting_entry_id,
  job_id,
  company_id,
  reason,
  wallet_currency,
  wallet_amount_minor,
  lines_amount_minor,
  wallet_amount,
  lines_amount
from {{ ref('int_pleo__postings') }}
where reason is not null
