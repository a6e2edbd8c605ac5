{{ config(
  materialized='incremental', incremental_strategy='append',
  indexes=pleo_indexes([], ['accounting_entry_id']),
  pre_hook="{{ pleo_forget_changed() }}", post_hook="{{ pleo_analyze() }}"
) }}

with items as (
  select job_id, accounting_entry_id, accounting_entry_lines
  from {{ ref('stg_pleo__export_items') }}
  {{- pleo_where_changed() }}
)

select
  items.job_id,
  items.accounting_entry_id,
  line.position as line_number,
  lower({{ pleo_text('line.element', ['accountingEntryLineId']) }}) as accounting_entry_line_id,
  {{ pleo_code('line.element', ['code'], ['account']) }} as account_code,
  {{ pleo_code('line.element', ['identifier'], ['account']) }} as account_identifier,
  {{ pleo_text('line.element', ['account', 'name']) }} as account_name,
  {{ pleo_text('line.element', ['lineAmount', 'inWalletCurrency', 'currency']) }} as wallet_currency,
  {{ pleo_text('line.element', ['lineAmount', 'inSupplierCurrency', 'currency']) }} as supplier_currency,
  {{ pleo_text('line.element', ['lineAmount', 'inWalletCurrency', 'value']) }} as wallet_gross_source,
  {{ pleo_text('line.element', ['lineAmount', 'inSupplierCurrency', 'value']) }} as supplier_gross_source,
  {{ pleo_text('line.element', ['netAmount', 'inWalletCurrency', 'value']) }} as wallet_net_source,
  {{ pleo_text('line.element', ['netAmount', 'inSupplierCurrency', 'value']) }} as supplier_net_source,
  {{ pleo_text('line.element', ['tax', 'amount', 'inWalletCurrency', 'value']) }} as wallet_tax_source,
  {{ pleo_text('line.element', ['tax', 'amount', 'inSupplierCurrency', 'value']) }} as supplier_tax_source,
  {{ pleo_text('line.element', ['netAmount', 'inWalletCurrency', 'currency']) }} as net_wallet_currency,
  {{ pleo_text('line.element', ['tax', 'amount', 'inWalletCurrency', 'currency']) }} as tax_wallet_currency,
  {{ pleo_code('line.element', ['code'], ['tax']) }} as tax_code,
  {{ pleo_text('line.element', ['tax', 'type']) }} as tax_type,
  {{ pleo_fraction(pleo_text('line.element', ['tax', 'rate'])) }} as tax_rate,
  {{ pleo_code('line.element', ['ingoingTaxAccount'], ['tax']) }} as ingoing_tax_account,
  {{ pleo_code('line.element', ['outgoingTaxAccount'], ['tax']) }} as outgoing_tax_account,
  {{ pleo_json('line.element', ['tags']) }} as tags
from items
{{ pleo_elements('items.accounting_entry_lines', 'line') }}
