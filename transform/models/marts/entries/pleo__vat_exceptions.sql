{{ config(indexes=pleo_indexes([], ['accounting_entry_id'])) }}

-- depends_on: {{ ref('int_pleo__changed_entries') }}
-- Lines whose tax could not be split off and which are booked gross.
select
  accounting_entry_id || '/' || cast(line_number as text) as line_key,
  accounting_entry_id,
  line_number,
  job_id,
  company_id,
  exception as reason,
  tax_code,
  tax_type,
  wallet_currency as currency,
  {{ pleo_major('gross_minor', 'unit') }} as gross_amount,
  {{ pleo_major('tax_minor', 'unit') }} as tax_amount,
  {{ pleo_major('gross_minor - net_minor - tax_minor', 'unit') }} as difference
from {{ ref('int_pleo__line_taxes') }}
where exception is not null
