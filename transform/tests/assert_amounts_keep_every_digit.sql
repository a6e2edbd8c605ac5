-- Loaded numbers are present and fit their type (DuckDB: 12 digits after the point).
with changed as (
  select accounting_entry_id from {{ ref('int_pleo__changed_entries') }}
),

amounts as (
  select items.accounting_entry_id, side.amount
  from (select * from {{ ref('stg_pleo__export_items') }}) as items
  cross join lateral (
    select items.wallet_amount_source as amount
    union all
    select items.supplier_amount_source
  ) as side
  where items.accounting_entry_id in (select accounting_entry_id from changed)
  union all
  select lines.accounting_entry_id, side.amount
  from (select * from {{ ref('stg_pleo__accounting_entry_lines') }}) as lines
  cross join lateral (
    select lines.wallet_gross_source as amount
    {%- for name in ['wallet_net', 'wallet_tax', 'supplier_gross', 'supplier_net', 'supplier_tax'] %}
    union all
    select lines.{{ name }}_source
    {%- endfor %}
  ) as side
  where lines.accounting_entry_id in (select accounting_entry_id from changed)
)

select accounting_entry_id, amount
from amounts
where amount is not null
  and (
    {{ pleo_number('amount') }} is null
    {%- if target.type == 'duckdb' %}
    or regexp_matches(amount, '\.[0-9]{12}[0-9]*[1-9]')
    or (regexp_matches(amount, '[eE]-') and {{ pleo_number('amount') }} = 0 and regexp_matches(amount, '^-?[0.]*[1-9]'))
    {%- endif %}
  )
