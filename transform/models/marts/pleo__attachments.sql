with items as (
  select items.job_id, items.accounting_entry_id, items.files
  from {{ ref('stg_pleo__export_items') }} as items
  inner join {{ ref('pleo__expenses') }} as expenses
    on expenses.job_id = items.job_id and expenses.accounting_entry_id = items.accounting_entry_id
),

files as (
  select
    items.accounting_entry_id,
    file.position as file_number,
    items.job_id,
    {{ pleo_text('file.element', ['url']) }} as url,
    {{ pleo_text('file.element', ['type']) }} as media_type,
    cast({{ pleo_number(pleo_text('file.element', ['size'])) }} as bigint) as size_bytes
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
  size_bytes
from files
where url is not null
