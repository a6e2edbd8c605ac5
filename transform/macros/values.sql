{# Text at a path in JSON, exactly as loaded; null if absent. #}
{% macro pleo_text(column, path) %}{{ return(adapter.dispatch('pleo_text', 'pleo_export')(column, path)) }}{% endmacro %}
{% macro postgres__pleo_text(column, path) %}({{ column }} #>> '{ {{- path | join(',') -}} }'){% endmacro %}
{% macro duckdb__pleo_text(column, path) %}({{ column }} ->> '$.{{ path | join('.') }}'){% endmacro %}

{# JSON at a path in JSON. #}
{% macro pleo_json(column, path) %}{{ return(adapter.dispatch('pleo_json', 'pleo_export')(column, path)) }}{% endmacro %}
{% macro postgres__pleo_json(column, path) %}({{ column }} #> '{ {{- path | join(',') -}} }'){% endmacro %}
{% macro duckdb__pleo_json(column, path) %}({{ column }} -> '$.{{ path | join('.') }}'){% endmacro %}

{# The objects of a JSON array, as `element` and `position` (from 1) of `alias`; other elements are left out. #}
{% macro pleo_elements(column, alias) %}{{ return(adapter.dispatch('pleo_elements', 'pleo_export')(column, alias)) }}{% endmacro %}
{% macro postgres__pleo_elements(column, alias) %}
cross join lateral (
  select found.element, cast(found.position as integer) as position
  from jsonb_array_elements(
    case when jsonb_typeof({{ column }}) = 'array' then {{ column }} end
  ) with ordinality as found (element, position)
  where jsonb_typeof(found.element) = 'object'
) as {{ alias }}
{% endmacro %}
{% macro duckdb__pleo_elements(column, alias) %}
cross join lateral (
  select element, cast(position as integer) as position
  from (
    select
      unnest(cast({{ column }} as json[])) as element,
      generate_subscripts(cast({{ column }} as json[]), 1) as position
  )
  where json_type(element) = 'OBJECT'
) as {{ alias }}
{% endmacro %}

{# The first of an object's members that is neither null nor blank. #}
{% macro pleo_code(column, names, path=[]) -%}
coalesce({% for name in names %}nullif(trim({{ pleo_text(column, path + [name]) }}), ''){{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{# An exact number from text; null if it is not a number. #}
{% macro pleo_number(text) %}{{ return(adapter.dispatch('pleo_number', 'pleo_export')(text)) }}{% endmacro %}
{% macro postgres__pleo_number(text) -%}
case when {{ text }} ~ '^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$' then cast({{ text }} as numeric) end
{%- endmacro %}
{% macro duckdb__pleo_number(text) %}try_cast({{ text }} as decimal(38, 12)){% endmacro %}

{# A fraction such as a rate. #}
{% macro pleo_fraction(text) %}{{ return(adapter.dispatch('pleo_fraction', 'pleo_export')(text)) }}{% endmacro %}
{% macro postgres__pleo_fraction(text) %}{{ return(pleo_number(text)) }}{% endmacro %}
{% macro duckdb__pleo_fraction(text) %}try_cast({{ text }} as decimal(38, 30)){% endmacro %}

{# Minor units times the currency's unit: exact, or null if DuckDB's 38 digits are not enough. #}
{% macro pleo_major(minor, unit) %}{{ return(adapter.dispatch('pleo_major', 'pleo_export')(minor, unit)) }}{% endmacro %}
{% macro postgres__pleo_major(minor, unit) %}({{ minor }} * {{ unit }}){% endmacro %}
{% macro duckdb__pleo_major(minor, unit) %}try(cast({{ minor }} * {{ unit }} as decimal(38, 16))){% endmacro %}

{# A moment from ISO 8601 text, UTC without a zone; null if invalid. #}
{% macro pleo_timestamp(text) %}{{ return(adapter.dispatch('pleo_timestamp', 'pleo_export')(text)) }}{% endmacro %}
{% macro postgres__pleo_timestamp(text) -%}
case
  when {{ text }} ~ '{{ pleo_day_pattern() }}[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-](0\d|1[0-4]):?[0-5]\d)?$'
  then cast(
    -- Cut to microseconds, as DuckDB does, where the cast would round.
    regexp_replace({{ text }}, '(\.\d{6})\d+', '\1')
    || case when {{ text }} ~ '(Z|[+-]\d\d:?\d\d)$' then '' else 'Z' end as timestamptz
  )
end
{%- endmacro %}
{% macro duckdb__pleo_timestamp(text) -%}
try_cast({{ text }} || case when regexp_matches({{ text }}, '(Z|[+-]\d\d:?\d\d)$') then '' else 'Z' end as timestamptz)
{%- endmacro %}

{# Pattern of valid days: PostgreSQL's cast fails on any other. #}
{% macro pleo_day_pattern() -%}
^([1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])|[1-9]\d{3}-(0[13-9]|1[0-2])-(29|30)|[1-9]\d{3}-(0[13578]|1[02])-31|[1-9]\d(0[48]|[2468][048]|[13579][26])-02-29)
{%- endmacro %}

{# The calendar day at the beginning of ISO 8601 text, as written; null if absent. #}
{% macro pleo_date(text) %}{{ return(adapter.dispatch('pleo_date', 'pleo_export')(text)) }}{% endmacro %}
{% macro postgres__pleo_date(text) %}case when {{ text }} ~ '{{ pleo_day_pattern() }}' then cast(left({{ text }}, 10) as date) end{% endmacro %}
{% macro duckdb__pleo_date(text) %}try_cast(left({{ text }}, 10) as date){% endmacro %}

{# Whole minutes from now until a moment. #}
{% macro pleo_minutes_until(moment) %}{{ return(adapter.dispatch('pleo_minutes_until', 'pleo_export')(moment)) }}{% endmacro %}
{% macro postgres__pleo_minutes_until(moment) -%}
cast(floor(extract(epoch from {{ moment }} - current_timestamp) / 60) as integer)
{%- endmacro %}
{% macro duckdb__pleo_minutes_until(moment) %}cast(floor((epoch_ms({{ moment }}) - epoch_ms(current_timestamp)) / 60000) as integer){% endmacro %}

{# ISO 8601 text of a moment, in UTC. #}
{% macro pleo_iso(moment) %}{{ return(adapter.dispatch('pleo_iso', 'pleo_export')(moment)) }}{% endmacro %}
{% macro postgres__pleo_iso(moment) %}to_char({{ moment }} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'){% endmacro %}
{% macro duckdb__pleo_iso(moment) %}strftime(timezone('UTC', {{ moment }}), '%Y-%m-%dT%H:%M:%S.%fZ'){% endmacro %}
