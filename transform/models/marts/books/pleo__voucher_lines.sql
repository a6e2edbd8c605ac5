{{ config(
  materialized='incremental', incremental_strategy='append', full_refresh=false,
  indexes=pleo_indexes(['voucher_id', 'line_number'], ['accounting_entry_id'], ['publication']),
  post_hook="{{ pleo_analyze() }}"
) }}

-- The legs of published vouchers. Those of a reversal are the voucher's own with the sides swapped.
with vouchers as (
  select voucher_id, accounting_entry_id, kind, legs, publication
  from {{ ref('pleo__vouchers') }}
  where publication > {{ pleo_so_far('max(publication)') or 0 }}
),

legs as (
  select
    vouchers.voucher_id,
    vouchers.accounting_entry_id,
    cast({{ pleo_number(pleo_text('leg.element', ['line_number'])) }} as integer) as line_number,
    {% for column in ['role', 'account_code', 'account_identifier', 'account_name', 'tax_code', 'tax_type', 'vat', 'accounting_entry_line_id'] -%}
    {{ pleo_text('leg.element', [column]) }} as {{ column }},
    {% endfor -%}
    {{ pleo_fraction(pleo_text('leg.element', ['tax_rate'])) }} as tax_rate,
    {{ pleo_json('leg.element', ['tags']) }} as tags,
    vouchers.kind = 'reversal' as is_reversed,
    cast({{ pleo_text('leg.element', ['amount_minor']) }} as {{ pleo_exact_type(12) }}) as amount_minor,
    cast({{ pleo_text('leg.element', ['amount']) }} as {{ pleo_exact_type(16) }}) as amount,
    cast({{ pleo_text('leg.element', ['tax_amount']) }} as {{ pleo_exact_type(16) }}) as tax_amount,
    vouchers.publication
  from vouchers
  {{ pleo_elements('vouchers.legs', 'leg') }}
),

signed as (
  select
    legs.voucher_id,
    legs.accounting_entry_id,
    legs.line_number,
    legs.role,
    legs.account_code,
    legs.account_identifier,
    legs.account_name,
    case when legs.is_reversed then -legs.amount else legs.amount end as amount,
    case when legs.is_reversed then -legs.amount_minor else legs.amount_minor end as amount_minor,
    legs.tax_code,
    legs.tax_rate,
    legs.tax_type,
    case when legs.is_reversed then -legs.tax_amount else legs.tax_amount end as tax_amount,
    legs.vat,
    legs.accounting_entry_line_id,
    legs.tags,
    legs.publication
  from legs
)

select
  voucher_id,
  accounting_entry_id,
  line_number,
  role,
  account_code,
  account_identifier,
  account_name,
  amount,
  amount_minor,
  greatest(amount, 0) as debit,
  greatest(-amount, 0) as credit,
  tax_code,
  tax_rate,
  tax_type,
  tax_amount,
  vat,
  accounting_entry_line_id,
  tags,
  publication
from signed
