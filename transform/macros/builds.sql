{# Tables that the package keeps next to the models. The accounting system fills `pleo_recorded` and `pleo_refused`, the user `pleo_balances`. #}
{% macro pleo_kept_tables() %}
  {% set exact = 'decimal(38, 16)' if target.type == 'duckdb' else 'numeric' %}
  {{ return({
    'pleo_recorded': 'voucher_id varchar unique, job_id varchar, accounting_entry_id varchar, external_id varchar, '
      ~ 'external_url varchar, recorded_at timestamp with time zone, unique (job_id, accounting_entry_id), '
      ~ 'check (voucher_id is not null or (job_id is not null and accounting_entry_id is not null))',
    'pleo_refused': 'voucher_id varchar not null unique, failure_reason_type varchar, failure_reason varchar, '
      ~ 'refused_at timestamp with time zone',
    'pleo_balances': 'company_id varchar not null, currency varchar not null, balance_date date not null, '
      ~ 'balance ' ~ exact ~ ' not null, unique (company_id, currency, balance_date)',
    'pleo_builds': 'build bigint not null, complete boolean not null',
    'pleo_read_positions': 'stream varchar not null, position bigint not null, digest varchar not null'
  }) }}
{% endmacro %}

{# The tables to fill may be in a schema that several targets share; how far a target was built is its own matter. #}
{% macro pleo_kept(table) %}
  {% set is_shared = table in ('pleo_recorded', 'pleo_refused', 'pleo_balances') %}
  {% set schema = var('pleo_recorded_schema', target.schema) if is_shared else target.schema %}
  {{ return(api.Relation.create(database=target.database, schema=schema, identifier=table)) }}
{% endmacro %}

{# Whether a kept table exists. Not by adapter.get_relation: that may begin a transaction, which dbt rolls back after a hook. #}
{% macro pleo_is_there(table) %}
  {% set query = "select count(*) from information_schema.tables where table_schema = '" ~ table.schema | replace("'", "''")
    ~ "' and table_name = '" ~ table.identifier ~ "' and table_catalog = '" ~ table.database | replace("'", "''") ~ "'" %}
  {{ return(run_query(query).rows[0][0] > 0) }}
{% endmacro %}

{# Before a run: make the kept tables that are missing, and number the build. #}
{% macro pleo_prepare() %}
  {% if execute and flags.WHICH in ('run', 'build', 'test', 'seed') %}
    {% for name, columns in pleo_kept_tables().items() %}
      {% set table = pleo_kept(name) %}
      {# Only where it is missing: a role that owns the schema need not be able to create others. #}
      {% if not adapter.check_schema_exists(table.database, table.schema) %}
        {% do run_query('create schema if not exists ' ~ table.include(database=target.type == 'duckdb', identifier=false)) %}
      {% endif %}
      {% if not pleo_is_there(table) %}
        {% do run_query('create table if not exists ' ~ table ~ ' (' ~ columns ~ ')') %}
      {% endif %}
    {% endfor %}
    {% if flags.WHICH in ('run', 'build') and not flags.EMPTY %}{% do pleo_number_build() %}{% endif %}
  {% endif %}
{% endmacro %}

{% macro pleo_number_build() %}
  {% set builds = pleo_kept('pleo_builds') %}
  {# A model that is not there, or is built anew, needs every entry; a staging table needs every line of its file. #}
  {% set missing = namespace(any=flags.FULL_REFRESH, staging=flags.FULL_REFRESH) %}
  {% for node in pleo_incremental_models() %}
    {% if adapter.get_relation(node.database, node.schema, node.alias) is none %}
      {% set missing.any = true %}
      {% if node.name.startswith('stg_') %}{% set missing.staging = true %}{% endif %}
    {% endif %}
  {% endfor %}
  {% if missing.any %}{% do run_query('update ' ~ builds ~ ' set complete = false') %}{% endif %}
  {% if missing.staging %}{% do run_query('delete from ' ~ pleo_kept('pleo_read_positions')) %}{% endif %}
  {# Above all that was published, should the number have been lost. #}
  {% set published = [] %}
  {% for node in pleo_incremental_models() if node.name == 'pleo__vouchers' %}
    {% set vouchers = adapter.get_relation(node.database, node.schema, node.alias) %}
    {% if vouchers %}{% do published.append(' union all select max(publication) from ' ~ vouchers) %}{% endif %}
  {% endfor %}
  {% do run_query(
    'insert into ' ~ builds ~ ' select coalesce(max(build), 0) + 1, false from ('
    ~ 'select max(build) as build from ' ~ builds ~ (published | join) ~ ') as numbers'
  ) %}
{% endmacro %}

{# After a run: if every model of the package was built, the next build starts from here. #}
{% macro pleo_finish() %}
  {% if execute and flags.WHICH in ('run', 'build') and not flags.EMPTY %}
    {% set built = results | selectattr('status', 'equalto', 'success') | map(attribute='node.unique_id') | list %}
    {% set open = pleo_incremental_models() | map(attribute='unique_id') | reject('in', built) | list %}
    {% if not open %}
      {% set builds = pleo_kept('pleo_builds') %}
      {% do run_query('delete from ' ~ builds ~ ' where build < (select max(build) from ' ~ builds ~ ')') %}
      {% do run_query('update ' ~ builds ~ ' set complete = true') %}
    {% endif %}
  {% endif %}
{% endmacro %}

{% macro pleo_incremental_models() %}
  {% set found = [] %}
  {% for node in graph.nodes.values()
    if node.package_name == 'pleo_export' and node.resource_type == 'model'
    and node.config.materialized == 'incremental' %}
    {% do found.append(node) %}
  {% endfor %}
  {{ return(found) }}
{% endmacro %}

{# Number of this build, and of the last one that was complete. As literals, so that PostgreSQL plans by them. #}
{% macro pleo_build() %}{{ return(pleo_literal(source('pleo_export_builds', 'pleo_builds'), 'pleo_builds', 'build', 'true')) }}{% endmacro %}
{% macro pleo_last_build() %}{{ return(pleo_literal(source('pleo_export_builds', 'pleo_builds'), 'pleo_builds', 'build', 'complete')) }}{% endmacro %}

{% macro pleo_literal(relation, name, column, condition) %}
  {% if execute and not flags.EMPTY %}
    {% set table = pleo_kept(name) %}
    {% if pleo_is_there(table) %}
      {{ return(run_query('select coalesce(max(' ~ column ~ '), 0) from ' ~ table ~ ' where ' ~ condition).rows[0][0] | string) }}
    {% endif %}
  {% endif %}
  {{ return('(select coalesce(max(' ~ column ~ '), 0) from ' ~ relation ~ ' where ' ~ condition ~ ')') }}
{% endmacro %}

{# The value of an expression such as max(…) over the rows of an incremental model, as text; none without rows. #}
{% macro pleo_so_far(expression) %}
  {% if execute and is_incremental() and not flags.EMPTY %}
    {{ return(run_query('select cast(' ~ expression ~ ' as varchar) from ' ~ this).rows[0][0]) }}
  {% endif %}
  {{ return(none) }}
{% endmacro %}

{# In an incremental model: only rows of entries that changed since the last complete build. #}
{% macro pleo_where_changed(column='accounting_entry_id') %}
  {%- set changed = ref('int_pleo__changed_entries') %}
  {%- if is_incremental() %}
  where {{ column }} in (select accounting_entry_id from {{ changed }})
  {%- endif %}
{% endmacro %}

{# Hook of such a model: remove its rows of these entries, within the same transaction. #}
{% macro pleo_forget_changed() %}
  {%- set changed = ref('int_pleo__changed_entries') -%}
  {%- if is_incremental() and not flags.EMPTY -%}
  delete from {{ this }} where accounting_entry_id in (select accounting_entry_id from {{ changed }})
  {%- endif -%}
{% endmacro %}

{# Hook: PostgreSQL plans the next build by the statistics of a table, which a first build must collect. #}
{% macro pleo_analyze() %}
  {%- if target.type == 'postgres' and not is_incremental() -%}analyze {{ this }}{%- endif -%}
{% endmacro %}

{# Indexes for PostgreSQL, each a list of columns; DuckDB reads columns fast enough, and cannot replace a unique row. #}
{% macro pleo_indexes(unique=[]) %}
  {% set found = [] %}
  {% if target.type == 'postgres' %}
    {% if unique %}{% do found.append({'columns': unique, 'unique': true}) %}{% endif %}
    {% for columns in varargs %}{% do found.append({'columns': columns}) %}{% endfor %}
  {% endif %}
  {{ return(found) }}
{% endmacro %}

{# Rows of a model that may have changed in this build, for tests. #}
{% macro pleo_changed_rows(model) -%}
(select * from {{ model }} where accounting_entry_id in (select accounting_entry_id from {{ ref('int_pleo__changed_entries') }}))
{%- endmacro %}
