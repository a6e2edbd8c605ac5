{{ config(
  materialized='incremental', unique_key=['job_id', 'accounting_entry_id'], incremental_strategy='delete+insert',
  indexes=pleo_indexes(['job_id', 'accounting_entry_id'], ['accounting_entry_id'], ['staged_in'], ['loaded']),
  post_hook=["{{ pleo_advance('export_items') }}", "{{ pleo_analyze() }}"]
) }}

with loaded as (
  {{ pleo_new_rows('export_items', ['jobId', 'accountingEntryId']) }}
),

parsed as (
  select
    lower("jobId") as job_id,
    lower("accountingEntryId") as accounting_entry_id,
    lower("companyId") as company_id,
    "itemStatus" as item_status,
    "type" as type,
    "subType" as sub_type,
    "date" as date_source,
    {{ pleo_timestamp('"date"') }} as entry_at,
    {{ pleo_text('"amount"', ['inWalletCurrency', 'currency']) }} as wallet_currency,
    {{ pleo_text('"amount"', ['inWalletCurrency', 'value']) }} as wallet_amount_source,
    {{ pleo_text('"amount"', ['inSupplierCurrency', 'currency']) }} as supplier_currency,
    {{ pleo_text('"amount"', ['inSupplierCurrency', 'value']) }} as supplier_amount_source,
    "note" as note,
    {{ pleo_code('"contraAccount"', ['code']) }} as contra_account_code,
    {{ pleo_code('"contraAccount"', ['identifier']) }} as contra_account_identifier,
    {{ pleo_text('"contraAccount"', ['name']) }} as contra_account_name,
    {{ pleo_code('"vendor"', ['code']) }} as vendor_code,
    {{ pleo_code('"vendor"', ['externalId']) }} as vendor_external_id,
    {{ pleo_text('"vendor"', ['name']) }} as vendor_name,
    {{ pleo_code('"supplier"', ['code']) }} as supplier_code,
    {{ pleo_code('"supplier"', ['account']) }} as supplier_account,
    {{ pleo_code('"supplier"', ['taxIdentifier']) }} as supplier_tax_identifier,
    {{ pleo_text('"supplier"', ['name']) }} as supplier_name,
    {{ pleo_text('"supplier"', ['country']) }} as supplier_country,
    {{ pleo_text('"user"', ['id']) }} as user_id,
    {{ pleo_text('"user"', ['name']) }} as user_name,
    {{ pleo_text('"user"', ['code']) }} as user_code,
    {{ pleo_text('"team"', ['name']) }} as team_name,
    {{ pleo_text('"team"', ['code']) }} as team_code,
    {{ pleo_code('"additionalInformation"', ['reconciliationId']) }} as reconciliation_id,
    {{ pleo_json('"additionalInformation"', ['reconciledEntries']) }} as reconciled_entries,
    {{ pleo_json('"additionalInformation"', ['attendees']) }} as attendees,
    {{ pleo_code('"additionalInformation"', ['invoiceNumber'], ['invoiceInformation']) }} as invoice_number,
    {{ pleo_date(pleo_text('"additionalInformation"', ['invoiceInformation', 'invoiceDate'])) }} as invoice_date,
    {{ pleo_date(pleo_text('"additionalInformation"', ['invoiceInformation', 'dueDate'])) }} as due_date,
    {{ pleo_date(pleo_text('"servicePeriod"', ['from'])) }} as service_from,
    {{ pleo_date(pleo_text('"servicePeriod"', ['to'])) }} as service_to,
    {{ pleo_text('"_links"', ['web', 'exportItem']) }} as pleo_url,
    "validationStatus" as validation_status,
    "validationFailureReasonType" as validation_failure_reason_type,
    "validationFailureReason" as validation_failure_reason,
    "bookkeepingMethod" as bookkeeping_method,
    {{ pleo_text('"posting"', ['outcome']) }} as outcome,
    {{ pleo_text('"posting"', ['reason']) }} as outcome_reason,
    {{ pleo_json('"posting"', ['vouchers']) }} as vouchers,
    "accountingEntryLines" as accounting_entry_lines,
    "files" as files,
    "validationChecks" as validation_checks,
    loaded
  from loaded
  where "jobId" is not null and "accountingEntryId" is not null
)

select
  parsed.*,
  -- The day on the company's calendar; a date without a time is that day already.
  case
    when parsed.entry_at is null then {{ pleo_date('parsed.date_source') }}
    else {{ pleo_local_day('parsed.entry_at', 'parsed.company_id') }}
  end as entry_date,
  cast({{ pleo_build() }} as bigint) as staged_in
from parsed
{%- if is_incremental() %}
left join {{ this }} as stored
  on stored.job_id = parsed.job_id and stored.accounting_entry_id = parsed.accounting_entry_id
where stored.job_id is null or {{ pleo_is_newer('stored', 'parsed') }}
{%- endif %}
