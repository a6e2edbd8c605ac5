{{ config(indexes=pleo_indexes(['accounting_entry_id'])) }}

-- One row per accounting entry: if several jobs contain it, the latest counts.
with ranked as (
  select
    items.*,
    jobs.created_at as job_created_at,
    jobs.status as job_status,
    row_number() over (
      partition by items.accounting_entry_id
      order by jobs.created_at desc nulls last, items.job_id desc
    ) as place,
    count(*) over (partition by items.accounting_entry_id) as number_of_jobs
  from (select * from {{ ref('stg_pleo__export_items') }}) as items
  left join (select * from {{ ref('stg_pleo__export_jobs') }}) as jobs on jobs.job_id = items.job_id
  {{- pleo_where_changed('items.accounting_entry_id') }}
),

lines as (
  select job_id, accounting_entry_id, count(*) as number_of_lines
  from {{ ref('stg_pleo__accounting_entry_lines') }}
  {{- pleo_where_changed() }}
  group by job_id, accounting_entry_id
),

files as (
  select ranked.job_id, ranked.accounting_entry_id, count(*) as number_of_attachments
  from ranked
  {{ pleo_elements('ranked.files', 'file') }}
  where coalesce({{ pleo_text('file.element', ['url']) }}, {{ pleo_text('file.element', ['storedPath']) }}) is not null
  group by ranked.job_id, ranked.accounting_entry_id
),

valued as (
  select
    ranked.*,
    {{ pleo_number('ranked.wallet_amount_source') }} as wallet_amount_minor,
    {{ pleo_number('ranked.supplier_amount_source') }} as supplier_amount_minor
  from ranked
  where ranked.place = 1
)

select
  valued.accounting_entry_id,
  valued.job_id,
  valued.job_created_at,
  valued.job_status,
  cast(valued.number_of_jobs as integer) as number_of_jobs,
  valued.company_id,
  coalesce(job_items.status, valued.item_status) as pleo_status,
  job_items.external_id,
  job_items.external_url,
  job_items.exported_at,
  valued.type,
  valued.sub_type,
  valued.entry_date,
  valued.entry_at,
  valued.wallet_currency,
  valued.wallet_amount_minor,
  {{ pleo_major('valued.wallet_amount_minor', 'wallet.unit') }} as wallet_amount,
  valued.supplier_currency,
  valued.supplier_amount_minor,
  {{ pleo_major('valued.supplier_amount_minor', 'supplier.unit') }} as supplier_amount,
  cast(coalesce(lines.number_of_lines, 0) as integer) as number_of_lines,
  cast(coalesce(files.number_of_attachments, 0) as integer) as number_of_attachments,
  valued.note,
  coalesce(valued.vendor_code, valued.vendor_external_id) as vendor_code,
  valued.vendor_name,
  valued.supplier_name,
  valued.supplier_country,
  valued.user_id,
  valued.user_name,
  valued.user_code,
  valued.team_name,
  valued.team_code,
  valued.reconciliation_id,
  valued.invoice_number,
  valued.invoice_date,
  valued.due_date,
  valued.service_from,
  valued.service_to,
  valued.pleo_url,
  valued.validation_status,
  valued.validation_failure_reason_type,
  valued.validation_failure_reason,
  valued.bookkeeping_method,
  valued.outcome,
  valued.outcome_reason
from valued
left join (select * from {{ ref('stg_pleo__export_job_items') }}) as job_items
  on job_items.job_id = valued.job_id and job_items.accounting_entry_id = valued.accounting_entry_id
left join lines on lines.job_id = valued.job_id and lines.accounting_entry_id = valued.accounting_entry_id
left join files on files.job_id = valued.job_id and files.accounting_entry_id = valued.accounting_entry_id
left join (select * from {{ ref('int_pleo__currencies') }}) as wallet on wallet.code = valued.wallet_currency
left join (select * from {{ ref('int_pleo__currencies') }}) as supplier on supplier.code = valued.supplier_currency
