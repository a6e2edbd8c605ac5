{{ config(indexes=pleo_indexes([], ['accounting_entry_id'])) }}

with lines as (
  select lines.accounting_entry_id, lines.line_number, lines.tags
  from (select * from {{ ref('stg_pleo__accounting_entry_lines') }}) as lines
  inner join (select * from {{ ref('pleo__expenses') }}) as expenses
    on expenses.job_id = lines.job_id and expenses.accounting_entry_id = lines.accounting_entry_id
  {{- pleo_where_changed('lines.accounting_entry_id') }}
)

select
  lines.accounting_entry_id || '/' || cast(lines.line_number as text) as line_key,
  lines.accounting_entry_id,
  lines.line_number,
  tag.position as tag_number,
  {{ pleo_text('tag.element', ['groupCode']) }} as group_code,
  {{ pleo_text('tag.element', ['code']) }} as code
from lines
{{ pleo_elements('lines.tags', 'tag') }}
