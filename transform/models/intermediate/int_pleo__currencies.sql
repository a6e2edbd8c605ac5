with iso as (
  select code, unit from {{ ref('pleo_currencies') }}
)

select code, unit
from iso
{%- set own = var('pleo_currency_exponents', {}) %}
{%- if own %}
where code not in ({% for code in own %}'{{ code }}'{{ ', ' if not loop.last }}{% endfor %})
{%- for code, exponent in own.items() %}
union all
select '{{ code }}', cast({{ '0.' ~ '0' * (exponent - 1) ~ '1' if exponent else '1' }} as {{ 'decimal(9, 8)' if target.type == 'duckdb' else 'numeric' }})
{%- endfor %}
{%- endif %}
