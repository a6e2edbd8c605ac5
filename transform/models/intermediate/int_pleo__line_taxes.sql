{{ config(materialized='table') }}

-- How the lines of entries that changed are booked: `vat_rule` is plain (no tax), split, reverse or gross, the last
-- with `exception` where a split was wanted.
with lines as (
  select
    lines.*,
    drafts.company_id,
    drafts.unit,
    {{ pleo_number('lines.wallet_gross_source') }} as gross_minor,
    case
      when lines.net_wallet_currency = lines.wallet_currency then {{ pleo_number('lines.wallet_net_source') }}
    end as net_minor,
    {{ pleo_number('lines.wallet_tax_source') }} as tax_minor
  from (select * from {{ ref('stg_pleo__accounting_entry_lines') }}) as lines
  inner join (
    select distinct job_id, accounting_entry_id, company_id, unit
    from {{ ref('int_pleo__voucher_drafts') }}
    where 'line' in (debit_role, credit_role)
  ) as drafts
    on drafts.job_id = lines.job_id and drafts.accounting_entry_id = lines.accounting_entry_id
),

checked as (
  select
    *,
    case
      when coalesce(tax_minor, 0) = 0 and (tax_minor is not null or coalesce(tax_rate, 0) = 0) then null
      when tax_minor is null then 'tax_unknown'
      when tax_wallet_currency is distinct from wallet_currency then 'tax_in_another_currency'
      when tax_type = 'reverse' then
        case when ingoing_tax_account is null or outgoing_tax_account is null then 'reverse_account_missing' end
      when ingoing_tax_account is null then 'tax_account_missing'
      when net_minor is null then 'net_unknown'
      when abs(gross_minor - net_minor - tax_minor) > {{ var('pleo_tax_tolerance_minor', 1) }} then 'amounts_differ'
    end as obstacle,
    coalesce(tax_minor, 0) <> 0 or coalesce(tax_rate, 0) <> 0 as has_tax
  from lines
)

select
  job_id,
  accounting_entry_id,
  company_id,
  line_number,
  accounting_entry_line_id,
  account_code,
  account_identifier,
  account_name,
  wallet_currency,
  unit,
  gross_minor,
  case when tax_wallet_currency = wallet_currency then tax_minor end as tax_minor,
  net_minor,
  tax_code,
  tax_rate,
  tax_type,
  ingoing_tax_account,
  outgoing_tax_account,
  tags,
  case
    when not has_tax then 'plain'
    {%- if var('pleo_vat', 'split') == 'code' %}
    else 'gross'
    {%- else %}
    when obstacle is not null then 'gross'
    when tax_type = 'reverse' then 'reverse'
    else 'split'
    {%- endif %}
  end as vat_rule,
  {% if var('pleo_vat', 'split') == 'code' %}cast(null as text){% else %}obstacle{% endif %} as exception
from checked
