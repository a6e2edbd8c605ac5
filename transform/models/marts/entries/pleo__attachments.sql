{{ config(indexes=pleo_indexes([], ['accounting_entry_id'])) }}

with items as (
  select items.job_id, items.accounting_entry_id, items.files
  from (select * from {{ ref('stg_pleo__export_items') }}) as items
  inner join (select * from {{ ref('pleo__expenses') }}) as expenses
    on expenses.job_id = items.job_id and expenses.accounting_entry_id = items.accounting_entry_id
  {{- pleo_where_changed('items.accounting_entry_id') }}
),

files as (
  select
    items.accounting_entry_id,
    file.position as file_number,
    items.job_id,
    {{ pleo_text('file.element', ['url']) }} as url,
    {{ pleo_text('file.element', ['type']) }} as media_type,
    {{ pleo_bytes(pleo_text('file.element', ['size'])) }} as size_bytes,
    {{ pleo_text('file.element', ['storedPath']) }} as stored_path,
    {{ pleo_text('file.element', ['sha256']) }} as sha256,
    {{ pleo_bytes(pleo_text('file.element', ['storedBytes'])) }} as stored_bytes,
    {{ pleo_timestamp(pleo_text('file.element', ['storedAt'])) }} as stored_at,
    {{ pleo_text('file.element', ['storeError']) }} as store_error
  from items
  {{ pleo_elements('items.files', 'file') }}
)

select
  accounting_entry_id || '/' || cast(file_number as text) as attachment_key,
  accounting_entry_id,
  file_number,
  job_id,
  url,
  media_type,
  size_bytes,
  stored_path,
  sha256,
  stored_bytes,
  stored_at,
  store_error
from files
where coalesce(url, stored_path, store_error) is not null
