{# An exact decimal type: sums of it never round. #}
{% test pleo_exact(model, column_name) %}
{%- set wanted = 'DECIMAL%' if target.type == 'duckdb' else 'numeric' -%}
select kind
from (
  select distinct {{ 'typeof' if target.type == 'duckdb' else 'cast(pg_typeof' }}({{ column_name }}){{ '' if target.type == 'duckdb' else ' as text)' }} as kind
  from {{ model }}
) as kinds
where kind not like '{{ wanted }}'
{% endtest %}

{# No row at all. #}
{% test pleo_empty(model) %}
select * from {{ model }}
{% endtest %}

{# No two rows with the same values in these columns. #}
{% test pleo_unique_together(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
