{%- set own = var('pleo_currency_exponents', {}) %}
{%- set digits = namespace(most=8) %}
{%- for code, exponent in own.items() %}
  {%- if exponent | string not in range(19) | map('string') | list %}
    {%- do exceptions.raise_compiler_error(
      "pleo_currency_exponents: " ~ code ~ " has the exponent '" ~ exponent ~ "'; write a whole number from 0 to 18"
    ) %}
  {%- endif %}
  {%- set digits.most = [digits.most, exponent | int] | max %}
{%- endfor -%}
with iso as (
  select code, unit from {{ ref('pleo_currencies') }}
)

select code, unit
from iso
{%- if own %}
where code not in ({% for code in own %}'{{ code | replace("'", "''") }}'{{ ', ' if not loop.last }}{% endfor %})
{%- for code, exponent in own.items() %}
union all
select
  '{{ code | replace("'", "''") }}',
  cast({{ '0.' ~ '0' * (exponent | int - 1) ~ '1' if exponent | int else '1' }} as {{
    'decimal(' ~ (digits.most + 1) ~ ', ' ~ digits.most ~ ')' if target.type == 'duckdb' else 'numeric'
  }})
{%- endfor %}
{%- endif %}
