-- Loaded numbers are present and fit their type (DuckDB: 12 digits after the point).
with amounts as (
  select accounting_entry_id, wallet_amount_source as amount from {{ ref('stg_pleo__export_items') }}
  union all
  select accounting_entry_id, supplier_amount_source from {{ ref('stg_pleo__export_items') }}
  {%- for name in ['gross', 'net', 'tax'] %}
  union all
  select accounting_entry_id, wallet_{{ name }}_source from {{ ref('stg_pleo__accounting_entry_lines') }}
  union all
  select accounting_entry_id, supplier_{{ name }}_source from {{ ref('stg_pleo__accounting_entry_lines') }}
  {%- endfor %}
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
