{# The columns of a voucher that its draft gives it and its reversal takes over. #}
{% macro pleo_voucher_columns() %}
  {{ return([
    'accounting_entry_id', 'job_id', 'company_id', 'document', 'journal', 'voucher_date', 'due_date',
    'document_number', 'text', 'type', 'sub_type', 'bookkeeping_method', 'basis', 'vendor_code', 'vendor_external_id',
    'vendor_name', 'supplier_code', 'supplier_account', 'supplier_tax_identifier', 'supplier_name', 'supplier_country',
    'user_id', 'user_code', 'user_name', 'team_code', 'currency', 'foreign_currency', 'reconciliation_id',
    'reconciled_entries', 'attendees', 'files', 'web_link', 'legs', 'digest'
  ]) }}
{% endmacro %}

{# The first open day of a company, from a day on. #}
{% macro pleo_open_day(day, company) -%}
{%- set closed = pleo_by_company('pleo_closed_until', company, 'date') -%}
greatest({{ day }}, coalesce({{ closed }} + 1, {{ day }}))
{%- endmacro %}


{# The columns of `pleo__vouchers` that an import needs, in their order. #}
{% macro pleo_published_columns() %}
  {{ return([
    'voucher_id', 'kind', 'reverses', 'version', 'accounting_entry_id', 'job_id', 'company_id', 'document', 'journal',
    'voucher_date', 'posting_date', 'due_date', 'document_number', 'text', 'type', 'sub_type', 'bookkeeping_method',
    'basis', 'vendor_code', 'vendor_external_id', 'vendor_name', 'supplier_code', 'supplier_account',
    'supplier_tax_identifier', 'supplier_name', 'supplier_country', 'user_id', 'user_code', 'user_name', 'team_code',
    'currency', 'amount', 'foreign_currency', 'foreign_amount', 'reconciliation_id', 'reconciled_entries', 'attendees',
    'files', 'web_link', 'publication', 'published_at'
  ]) }}
{% endmacro %}

{# A failure type that Pleo's items can have; any other counts as the accounting system's. #}
{% macro pleo_failure_type(column) -%}
case
  when {{ column }} in (
    'receipt_upload_failure', 'receipt_download_failure', 'receipt_file_size_limit_exceeded',
    'receipt_conversion_failure', 'unexpected_failure', 'invalid_configuration', 'missing_configuration',
    'accounting_system_authentication_failure', 'accounting_system_rate_limit', 'accounting_system_unreachable',
    'validation_failure', 'accounting_system_validation_failure', 'authorization_failure',
    'accounting_system_timeout', 'vendor_unknown', 'account_unknown', 'tax_code_unknown', 'tag_unknown'
  ) then {{ column }}
  else 'accounting_system_validation_failure'
end
{%- endmacro %}
