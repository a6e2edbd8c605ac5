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
      'subType': 'text', 'date': 'text', 'amount': 'json', 'accountingEntryLines': 'json', 'contraAccount': 'json',
      'vendor': 'json', 'supplier': 'json', 'user': 'json', 'team': 'json', 'note': 'text', 'servicePeriod': 'json',
      'additionalInformation': 'json', 'files': 'json', '_links': 'json', 'validationStatus': 'text',
      'validationFailureReasonType': 'text', 'validationFailureReason': 'text', 'validationChecks': 'json',
      'bookkeepingMethod': 'text', 'posting': 'json'
    }
  }[stream]) }}
{% endmacro %}

{# The rows of a stream that a staging table does not have yet, the newest of each key: a column that was not loaded is
   null, `loaded` says where in the load a row is. Ids count regardless of case. #}
{% macro pleo_new_rows(stream, keys) %}{{ return(adapter.dispatch('pleo_new_rows', 'pleo_export')(stream, keys)) }}{% endmacro %}

{# target-postgres updates rows in place and stamps each batch. A batch may be committed late, so those of the last day
   are counted: one with more rows than the staging table has of it is read. Without stamps every row is compared at
   each build. #}
{% macro postgres__pleo_new_rows(stream, keys) %}
  {%- set relation = source('pleo', stream) -%}
  {%- set loaded = adapter.get_columns_in_relation(relation) | map(attribute='name') | list if execute else [] -%}
  {%- for name, kind in pleo_columns(stream).items() if kind == 'json' and name not in loaded -%}
    {%- for column in loaded if column.startswith(name ~ '__') -%}
      {%- do exceptions.raise_compiler_error(
        stream ~ " has the column '" ~ column ~ "' instead of '" ~ name ~ "': load it without flattening (flattening_enabled)"
      ) -%}
    {%- endfor -%}
  {%- endfor -%}
  {%- set types = {'text': 'text', 'json': 'jsonb', 'integer': 'bigint'} -%}
  {%- set times = ['_sdc_batched_at', '_sdc_received_at', '_sdc_extracted_at'] | select('in', loaded) | list -%}
  {%- set time = 'rows."' ~ times[0] ~ '"' if times else 'cast(null as timestamp)' -%}
  select distinct on ({% for key in keys %}lower("{{ key }}"){{ ', ' if not loop.last }}{% endfor %})
  {%- for name, kind in pleo_columns(stream).items() %}
    {% if name not in loaded -%}
      cast(null as {{ types[kind] }})
    {%- elif kind == 'json' -%}
      to_jsonb(rows."{{ name }}")
    {%- else -%}
      cast(rows."{{ name }}" as {{ types[kind] }})
    {%- endif %} as "{{ name }}",
  {%- endfor %}
    {{ time }} as loaded
  from (select * from {{ relation }}) as rows
  {%- set since = pleo_so_far("max(loaded) - interval '" ~ var('pleo_load_hours', 24) ~ " hours'") if times %}
  {%- if since %}
  where {{ pleo_unread_batches(relation, time, since) }}
  {%- endif %}
  order by {% for key in keys %}lower("{{ key }}"), {% endfor %}loaded desc nulls last
  {%- if '_sdc_sequence' in loaded %}, rows."_sdc_sequence" desc nulls last{% endif %}
{% endmacro %}

{# A condition for the rows of batches that are not staged in full. #}
{% macro pleo_unread_batches(relation, time, since) %}
  {%- set unread = run_query(
    'select cast(batches.loaded as text) from (select ' ~ time ~ ' as loaded, count(*) as number from ' ~ relation
    ~ ' as rows where ' ~ time ~ " > '" ~ since ~ "' group by 1) as batches left join (select loaded, count(*) as number from "
    ~ this ~ " where loaded > '" ~ since ~ "' group by 1) as staged on staged.loaded = batches.loaded "
    ~ 'where staged.loaded is null or batches.number > staged.number order by batches.loaded'
  ).columns[0].values() -%}
  {%- if not unread -%}false
  {%- elif unread | length <= 500 -%}{{ time }} in ('{{ unread | join("', '") }}')
  {%- else -%}{{ time }} >= '{{ unread[0] }}'
  {%- endif -%}
{% endmacro %}

{# target-jsonl appends: `base_pleo__new_lines` has the lines since then, and the last line of a key counts. DuckDB reads
   fractions as binary floating point: amounts and rates are made text before anything parses them. Inside of a text
   the quotes would be escaped. #}
{% macro duckdb__pleo_new_rows(stream, keys) %}
  {%- set types = {'text': 'varchar', 'json': 'json', 'integer': 'bigint'} -%}
  select
  {%- for name, kind in pleo_columns(stream).items() %}
    {% if kind == 'json' -%}
      nullif(members[{{ loop.index }}], 'null'::json)
    {%- else -%}
      try_cast(members[{{ loop.index }}] ->> '$' as {{ types[kind] }})
    {%- endif %} as "{{ name }}",
  {%- endfor %}
    loaded
  from (
    select
      -- All at once: separate extractions would each parse the whole line again each.
      json_extract(
        cast(regexp_replace(line, '"(value|rate)": ?(-?[0-9][0-9.eE+-]*)', '"\1": "\2"', 'g') as json),
        [{% for name in pleo_columns(stream) %}'$.{{ name }}'{{ ', ' if not loop.last }}{% endfor %}]
      ) as members,
      line_number as loaded
    from {{ ref('base_pleo__new_lines') }}
    where stream = '{{ stream }}' and is_valid
  ) as file
  qualify row_number() over (
    partition by {% for key in keys %}lower("{{ key }}"){{ ', ' if not loop.last }}{% endfor %}
    order by loaded desc
  ) = 1
{% endmacro %}

{# Hook of a staging table: note how far its file was read. #}
{% macro pleo_advance(stream) %}
  {%- if target.type == 'duckdb' and not flags.EMPTY -%}
  delete from {{ source('pleo_export_builds', 'pleo_read_positions') }} where stream = '{{ stream }}'
    and exists (select 1 from {{ ref('base_pleo__new_lines') }} where stream = '{{ stream }}');
  insert into {{ source('pleo_export_builds', 'pleo_read_positions') }}
  select distinct stream, file_position, file_digest from {{ ref('base_pleo__new_lines') }} where stream = '{{ stream }}'
  {%- endif -%}
{% endmacro %}

{# Hook: a warning for each file with lines that are left out, without their content. #}
{% macro pleo_name_invalid_lines() %}
  {%- if execute -%}
    {%- set found = run_query('select stream, count(*), min(file_line) from ' ~ this ~ ' where not is_valid group by stream') -%}
    {%- for stream, lines, first in found.rows -%}
      {%- do exceptions.warn(
        stream ~ '.jsonl: left out ' ~ lines ~ (' line that is' if lines == 1 else ' lines that are') ~ ' not a record'
        ~ (', number ' if lines == 1 else ', the first is number ') ~ first ~ '; load again from the tap if the record is missing'
      ) -%}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}
