{# Creates the user's table `pleo_recorded` if it is missing. #}
{% macro pleo_make_recorded() %}
  {% if execute %}
    {% set place = var('pleo_recorded_schema', target.schema) %}
    {% do run_query('create schema if not exists ' ~ place) %}
    {% do run_query(
      'create table if not exists ' ~ place ~ '.pleo_recorded ('
      ~ 'job_id varchar not null, accounting_entry_id varchar not null, external_id varchar, external_url varchar, '
      ~ 'recorded_at timestamp with time zone, primary key (job_id, accounting_entry_id))'
    ) %}
  {% endif %}
{% endmacro %}
