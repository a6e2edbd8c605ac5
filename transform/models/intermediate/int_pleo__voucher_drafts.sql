{{ config(materialized='table') }}

-- The vouchers that entries which changed are to have, without number: one row per entry and document.
with items as (
  select
    items.*,
    entries.decision,
    {{ pleo_number('items.wallet_amount_source') }} as amount_minor,
    {{ pleo_number('items.supplier_amount_source') }} as foreign_minor
  from (select * from {{ ref('int_pleo__entries') }}) as entries
  inner join (select * from {{ ref('stg_pleo__export_items') }}) as items
    on items.job_id = entries.job_id and items.accounting_entry_id = entries.accounting_entry_id
  where entries.decision in ('book', 'stay')
    and entries.accounting_entry_id in (select accounting_entry_id from {{ ref('int_pleo__changed_entries') }})
),

documents as (
  select
    items.*,
    voucher.position as document_number_in_row,
    {{ pleo_text('voucher.element', ['document']) }} as document,
    {{ pleo_text('voucher.element', ['journal']) }} as journal,
    {{ pleo_text('voucher.element', ['way']) }} as way,
    {{ pleo_text('voucher.element', ['basis']) }} as basis,
    {{ pleo_text('voucher.element', ['debit', 'role']) }} as debit_role,
    {{ pleo_code('voucher.element', ['account'], ['debit']) }} as debit_account,
    {{ pleo_text('voucher.element', ['credit', 'role']) }} as credit_role,
    {{ pleo_code('voucher.element', ['account'], ['credit']) }} as credit_account
  from items
  {{ pleo_elements('items.vouchers', 'voucher') }}
),

-- Purchases are signed: a negative one swaps the sides of all its vouchers. Elsewhere the row gives the direction, and
-- the lines' signs count relative to the item's.
directed as (
  select
    *,
    coalesce(
      bool_or(way = 'out' and 'line' in (debit_role, credit_role)) over (partition by accounting_entry_id), false
    ) as is_signed
  from documents
),

files as (
  select
    items.accounting_entry_id,
    {{ pleo_json_list(pleo_text('file.element', ['storedPath']), 'file.position') }} as files
  from items
  {{ pleo_elements('items.files', 'file') }}
  where {{ pleo_text('file.element', ['storedPath']) }} is not null
  group by items.accounting_entry_id
),

valued as (
  select
    directed.*,
    not directed.is_signed and directed.amount_minor < 0 as is_turned,
    case when directed.is_signed then directed.amount_minor else abs(directed.amount_minor) end as booked_minor,
    case
      when not directed.is_signed and directed.amount_minor < 0 then -directed.foreign_minor
      else directed.foreign_minor
    end as booked_foreign_minor
  from directed
)

select
  valued.accounting_entry_id,
  valued.document,
  valued.decision,
  valued.job_id,
  valued.company_id,
  valued.journal,
  valued.debit_role,
  valued.debit_account,
  valued.credit_role,
  valued.credit_account,
  valued.is_turned,
  valued.booked_minor,
  valued.contra_account_code,
  valued.contra_account_identifier,
  valued.contra_account_name,
  wallet.unit,
  valued.entry_date as voucher_date,
  valued.due_date,
  coalesce(valued.invoice_number, valued.reconciliation_id) as document_number,
  left(nullif(concat_ws(', ', nullif(trim(valued.supplier_name), ''), nullif(trim(valued.user_name), ''), nullif(trim(valued.note), '')), ''), 250) as text,
  valued.type,
  valued.sub_type,
  valued.bookkeeping_method,
  valued.basis,
  valued.vendor_code,
  valued.vendor_external_id,
  valued.vendor_name,
  valued.supplier_code,
  valued.supplier_account,
  valued.supplier_tax_identifier,
  valued.supplier_name,
  valued.supplier_country,
  valued.user_id,
  valued.user_code,
  valued.user_name,
  valued.team_code,
  valued.wallet_currency as currency,
  {{ pleo_major(pleo_whole('valued.booked_minor'), 'wallet.unit') }} as amount,
  valued.supplier_currency as foreign_currency,
  {{ pleo_major('valued.booked_foreign_minor', 'supplier.unit') }} as foreign_amount,
  valued.reconciliation_id,
  valued.reconciled_entries,
  valued.attendees,
  files.files,
  valued.pleo_url as web_link
from valued
left join files on files.accounting_entry_id = valued.accounting_entry_id
left join (select * from {{ ref('int_pleo__currencies') }}) as wallet on wallet.code = valued.wallet_currency
left join (select * from {{ ref('int_pleo__currencies') }}) as supplier on supplier.code = valued.supplier_currency
