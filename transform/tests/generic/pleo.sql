{# These tests look at the entries that changed in this build, so that their cost follows the new data. #}

{# Neither two rows with the same values in these columns nor a null in one of them. #}
{% test pleo_key(model, columns) %}
select {{ columns | join(', ') }}
from {{ pleo_changed_rows(model) }} as rows
group by {{ columns | join(', ') }}
having count(*) > 1 {% for column in columns %}or {{ column }} is null {% endfor %}
{% endtest %}

{# Only these values, or null. #}
{% test pleo_values(model, column_name, values) %}
select distinct {{ column_name }}
from {{ pleo_changed_rows(model) }} as rows
where {{ column_name }} not in ('{{ values | join("', '") }}')
{% endtest %}

{# Only currencies whose unit is known. #}
{% test pleo_currency(model, column_name) %}
select distinct {{ column_name }}
from {{ pleo_changed_rows(model) }} as rows
where {{ column_name }} is not null and {{ column_name }} not in (select code from {{ ref('int_pleo__currencies') }})
{% endtest %}

{# The model is empty. #}
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

{# No line was skipped as invalid JSON. #}
{% test pleo_lines_are_valid(model) %}
select stream, line_number, left(line, 80) as line from {{ model }} where not is_valid
{% endtest %}
