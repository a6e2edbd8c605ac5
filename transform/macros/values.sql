{# Text at a path in JSON, exactly as loaded; null if absent. #}
{% macro pleo_text(column, path) %}{{ return(adapter.dispatch('pleo_text', 'pleo_export')(column, path)) }}{% endmacro %}
{% macro postgres__pleo_text(column, path) %}({{ column }} #>> '{ {{- path | join(',') -}} }'){% endmacro %}
{% macro duckdb__pleo_text(column, path) %}({{ column }} ->> '$.{{ path | join('.') }}'){% endmacro %}

{# JSON at a path in JSON. #}
{% macro pleo_json(column, path) %}{{ return(adapter.dispatch('pleo_json', 'pleo_export')(column, path)) }}{% endmacro %}
{% macro postgres__pleo_json(column, path) %}nullif({{ column }} #> '{ {{- path | join(',') -}} }', 'null'){% endmacro %}
{% macro duckdb__pleo_json(column, path) %}nullif({{ column }} -> '$.{{ path | join('.') }}', 'null'::json){% endmacro %}

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

{# The texts of a JSON array, as `element` of `alias`. #}
{% macro pleo_texts(column, alias) %}{{ return(adapter.dispatch('pleo_texts', 'pleo_export')(column, alias)) }}{% endmacro %}
{% macro postgres__pleo_texts(column, alias) %}
cross join lateral (
  select found.element
  from jsonb_array_elements_text(
    case when jsonb_typeof({{ column }}) = 'array' then {{ column }} end
  ) as found (element)
  where found.element is not null
) as {{ alias }}
{% endmacro %}
{% macro duckdb__pleo_texts(column, alias) %}
cross join lateral (
  select element
  from (select unnest(cast({{ column }} as varchar[])) as element)
  where element is not null
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

{# A number of bytes; null if the text is no whole number of them, or has more than 64 bits. #}
{% macro pleo_bytes(text) -%}
case
  when {{ pleo_number(text) }} between 0 and 9223372036854775807
    and {{ pleo_number(text) }} = trunc({{ pleo_number(text) }})
    then cast({{ pleo_number(text) }} as bigint)
end
{%- endmacro %}

{# A fraction such as a rate. #}
{% macro pleo_fraction(text) %}{{ return(adapter.dispatch('pleo_fraction', 'pleo_export')(text)) }}{% endmacro %}
{% macro postgres__pleo_fraction(text) %}{{ return(pleo_number(text)) }}{% endmacro %}
{% macro duckdb__pleo_fraction(text) %}try_cast({{ text }} as decimal(38, 30)){% endmacro %}

{# Minor units times the currency's unit: exact, or null if DuckDB's 38 digits are not enough. #}
{% macro pleo_major(minor, unit) %}{{ return(adapter.dispatch('pleo_major', 'pleo_export')(minor, unit)) }}{% endmacro %}
{% macro postgres__pleo_major(minor, unit) %}(({{ minor }}) * {{ unit }}){% endmacro %}
{% macro duckdb__pleo_major(minor, unit) -%}
case
  when {{ unit }} >= 0.0001 then try(cast(({{ minor }}) * cast({{ unit }} as decimal(7, 4)) as decimal(38, 16)))
  -- Beyond 16 decimals nothing is rounded: it is null.
  when try(({{ minor }}) * {{ unit }}) = try(cast(({{ minor }}) * {{ unit }} as decimal(38, 16)))
    then try(cast(({{ minor }}) * {{ unit }} as decimal(38, 16)))
end
{%- endmacro %}

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

{# Whether an export job is over now; its own column `is_over` is as of the last build. #}
{% macro pleo_is_over(jobs) %}coalesce({{ jobs }}.is_over or {{ jobs }}.expires_at <= current_timestamp, false){% endmacro %}

{# ISO 8601 text of a moment, in UTC. #}
{% macro pleo_iso(moment) %}{{ return(adapter.dispatch('pleo_iso', 'pleo_export')(moment)) }}{% endmacro %}
{% macro postgres__pleo_iso(moment) %}to_char({{ moment }} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'){% endmacro %}
{% macro duckdb__pleo_iso(moment) %}strftime(timezone('UTC', {{ moment }}), '%Y-%m-%dT%H:%M:%S.%fZ'){% endmacro %}

{# Whether any of these columns differs between two rows. #}
{% macro pleo_differs(left, right, columns) -%}
({% for column in columns %}{{ left }}.{{ column }} is distinct from {{ right }}.{{ column }}{{ ' or ' if not loop.last }}{% endfor %})
{%- endmacro %}

{# Whether a loaded row is newer than the stored one: what DuckDB reads always is, as it reads each line once. #}
{% macro pleo_is_newer(stored, row) -%}
{{ 'true' if target.type == 'duckdb' else '(' ~ row ~ '.loaded is null or ' ~ stored ~ '.loaded is null or ' ~ row ~ '.loaded > ' ~ stored ~ '.loaded)' }}
{%- endmacro %}

{# A value of a setting by company, as {company or "*": value}; null if neither is set. #}
{% macro pleo_by_company(setting, company, type) -%}
{%- set values = var(setting, {}) -%}
{%- set own = values.keys() | reject('equalto', '*') | list -%}
{%- set rest = "cast('" ~ (values['*'] | string | replace("'", "''")) ~ "' as " ~ type ~ ")" if '*' in values else 'cast(null as ' ~ type ~ ')' -%}
{%- if own -%}
case {{ company }}
  {%- for name in own %} when '{{ name | lower | replace("'", "''") }}' then cast('{{ values[name] | string | replace("'", "''") }}' as {{ type }}){% endfor %} else {{ rest }} end
{%- else -%}
{{ rest }}
{%- endif -%}
{%- endmacro %}

{# The day of a moment on a company's calendar. #}
{% macro pleo_local_day(moment, company) -%}
cast(timezone(coalesce({{ pleo_by_company('pleo_time_zones', company, 'text') }}, 'UTC'), {{ moment }}) as date)
{%- endmacro %}

{# A number as text without trailing zeros on PostgreSQL and with a fixed scale on DuckDB, so that equal numbers are equal texts. #}
{% macro pleo_plain(number) %}{{ return(adapter.dispatch('pleo_plain', 'pleo_export')(number)) }}{% endmacro %}
{% macro postgres__pleo_plain(number) %}cast(trim_scale({{ number }}) as text){% endmacro %}
{% macro duckdb__pleo_plain(number) %}cast({{ number }} as text){% endmacro %}

{# The type of an exact number; DuckDB has 38 digits in all. #}
{% macro pleo_exact_type(scale) %}{{ 'decimal(38, ' ~ scale ~ ')' if target.type == 'duckdb' else 'numeric' }}{% endmacro %}

{# Minor units as they are booked: whole, unless `pleo_round` is false. #}
{% macro pleo_whole(minor) %}{{ 'round(' ~ minor ~ ')' if var('pleo_round', true) else minor }}{% endmacro %}

{# An aggregate: a JSON array of texts. #}
{% macro pleo_json_list(text, order) %}{{ return(adapter.dispatch('pleo_json_list', 'pleo_export')(text, order)) }}{% endmacro %}
{% macro postgres__pleo_json_list(text, order) %}jsonb_agg({{ text }} order by {{ order }}){% endmacro %}
{% macro duckdb__pleo_json_list(text, order) %}to_json(list({{ text }} order by {{ order }})){% endmacro %}

{# An aggregate: a JSON array of objects with these columns. #}
{% macro pleo_json_rows(columns, order) %}{{ return(adapter.dispatch('pleo_json_rows', 'pleo_export')(columns, order)) }}{% endmacro %}
{% macro postgres__pleo_json_rows(columns, order) -%}
jsonb_agg(jsonb_build_object({% for name, value in columns.items() %}'{{ name }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %}) order by {{ order }})
{%- endmacro %}
{% macro duckdb__pleo_json_rows(columns, order) -%}
to_json(list(struct_pack({% for name, value in columns.items() %}{{ name }} := {{ value }}{{ ', ' if not loop.last }}{% endfor %}) order by {{ order }}))
{%- endmacro %}

{# The tags of a line as JSON, {group: [codes]}; null without tags. #}
{% macro pleo_tag_object(tags) %}{{ return(adapter.dispatch('pleo_tag_object', 'pleo_export')(tags)) }}{% endmacro %}
{% macro postgres__pleo_tag_object(tags) -%}
(
  select jsonb_object_agg(grouped.group_code, grouped.codes)
  from (
    select coalesce(found.element ->> 'groupCode', '') as group_code,
      jsonb_agg(found.element ->> 'code' order by found.position) as codes
    from jsonb_array_elements(
      case when jsonb_typeof({{ tags }}) = 'array' then {{ tags }} end
    ) with ordinality as found (element, position)
    where jsonb_typeof(found.element) = 'object' and found.element ->> 'code' is not null
    group by 1
  ) as grouped
)
{%- endmacro %}
{% macro duckdb__pleo_tag_object(tags) -%}
(
  select to_json(map_from_entries(list((grouped.group_code, grouped.codes) order by grouped.group_code)))
  from (
    select coalesce(found.element ->> '$.groupCode', '') as group_code,
      list(found.element ->> '$.code' order by found.position) as codes
    from (
      select unnest(cast({{ tags }} as json[])) as element, generate_subscripts(cast({{ tags }} as json[]), 1) as position
    ) as found
    where json_type(found.element) = 'OBJECT' and found.element ->> '$.code' is not null
    group by 1
  ) as grouped
  having count(*) > 0
)
{%- endmacro %}

{% macro pleo_empty_object() %}cast('{}' as {{ pleo_json_type() }}){% endmacro %}
{% macro pleo_json_type() %}{{ 'json' if target.type == 'duckdb' else 'jsonb' }}{% endmacro %}

{# The name of a column in `pleo_tag_columns`. PostgreSQL would cut longer ones, which then count as missing. #}
{% macro pleo_column_name(name) %}
  {%- if (name | string).encode() | length > 63 or '"' in name | string -%}
    {%- do exceptions.raise_compiler_error(
      "pleo_tag_columns: '" ~ name ~ "' cannot be a column; write at most 63 bytes, without quotes"
    ) -%}
  {%- endif -%}
  {{ return(name | string) }}
{% endmacro %}
