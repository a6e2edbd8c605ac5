{# The columns of a stream that the models read: name and kind. #}
{% macro pleo_columns(stream) %}
  {{ return({
    'export_jobs': {
      'id': 'text', 'companyId': 'text', 'status': 'text', 'numberOfItems': 'integer', 'createdAt': 'text',
      'startedAt': 'text', 'lastUpdatedAt': 'text', 'expiresAt': 'text', 'completedAt': 'text',
      'failureReasonType': 'text', 'failureReason': 'text'
    },
    'export_job_items': {
      'exportJobId': 'text', 'accountingEntryId': 'text', 'status': 'text', 'exportedAt': 'text', 'externalId': 'text',
      'externalUrl': 'text', 'failureReasonType': 'text', 'failureReason': 'text'
    },
    'export_items': {
      'jobId': 'text', 'accountingEntryId': 'text', 'companyId': 'text', 'itemStatus': 'text', 'type': 'text',
      'subType': 'text', 'date': 'text', 'amount': 'json', 'accountingEntryLines': 'json', 'vendor': 'json',
      'supplier': 'json', 'user': 'json', 'team': 'json', 'note': 'text', 'servicePeriod': 'json',
      'additionalInformation': 'json', 'files': 'json', '_links': 'json', 'validationStatus': 'text',
      'validationFailureReasonType': 'text', 'validationFailureReason': 'text', 'validationChecks': 'json',
      'bookkeepingMethod': 'text', 'posting': 'json'
    }
  }[stream]) }}
{% endmacro %}

{# The rows of a stream, one per key; a column that was not loaded is null. #}
{% macro pleo_rows(stream, keys) %}{{ return(adapter.dispatch('pleo_rows', 'pleo_export')(stream, keys)) }}{% endmacro %}

{% macro postgres__pleo_rows(stream, keys) %}
  {%- set relation = source('pleo', stream) -%}
  {%- set loaded = adapter.get_columns_in_relation(relation) | map(attribute='name') | list if execute else [] -%}
  {%- set types = {'text': 'text', 'json': 'jsonb', 'integer': 'bigint'} -%}
  select
  {%- for name, kind in pleo_columns(stream).items() %}
    {% if name not in loaded -%}
      cast(null as {{ types[kind] }})
    {%- elif kind == 'json' -%}
      to_jsonb("{{ name }}")
    {%- else -%}
      cast("{{ name }}" as {{ types[kind] }})
    {%- endif %} as "{{ name }}"{{ ',' if not loop.last }}
  {%- endfor %}
  from {{ relation }}
{% endmacro %}

{# target-jsonl appends, so the last line of a key counts. DuckDB reads fractions as binary floating point: amounts and
   rates are made text before anything parses them. Inside of a text the quotes would be escaped. #}
{% macro duckdb__pleo_rows(stream, keys) %}
  {%- set types = {'text': 'varchar', 'json': 'json', 'integer': 'bigint'} -%}
  select
  {%- for name, kind in pleo_columns(stream).items() %}
    {% if kind == 'json' -%}
      nullif(members[{{ loop.index }}], 'null'::json)
    {%- else -%}
      try_cast(members[{{ loop.index }}] ->> '$' as {{ types[kind] }})
    {%- endif %} as "{{ name }}"{{ ',' if not loop.last }}
  {%- endfor %}
  from (
    select
      -- All at once: separate extractions would parse the whole line again each.
      json_extract(
        cast(regexp_replace(cast(json as varchar), '"(value|rate)": ?(-?[0-9][0-9.eE+-]*)', '"\1": "\2"', 'g') as json),
        [{% for name in pleo_columns(stream) %}'$.{{ name }}'{{ ', ' if not loop.last }}{% endfor %}]
      ) as members,
      row_number() over () as position
    from {{ source('pleo', stream) }}
  ) as file
  qualify row_number() over (
    partition by {% for key in keys %}lower("{{ key }}"){{ ', ' if not loop.last }}{% endfor %}
    order by position desc
  ) = 1
{% endmacro %}
