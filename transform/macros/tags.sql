{# The tag groups that occur, by the name of their column: {column: [group codes]}. #}
{% macro pleo_tag_groups(items) %}
  {% set groups = {} %}
  {% if execute %}
    {% set found = run_query(
      'with pleo_items as (select accounting_entry_lines from ' ~ items ~ ') '
      ~ 'select distinct ' ~ pleo_text('tag.element', ['groupCode']) ~ ' from pleo_items '
      ~ pleo_elements('accounting_entry_lines', 'line') ~ pleo_elements(pleo_json('line.element', ['tags']), 'tag')
      ~ ' order by 1'
    ) %}
    {% for (code,) in found.rows if code and code.strip() %}
      {% set column = 'tag_' ~ (modules.re.sub('[^a-z0-9]+', '_', code.lower()).strip('_') or 'other') %}
      {% do groups.setdefault(column, []).append(code) %}
    {% endfor %}
  {% endif %}
  {{ return(groups) }}
{% endmacro %}
