-- A type that shows both signs: its direction is then an assumption. Purchases may have both.
{{ config(severity='warn') }}

select company_id, type, sub_type, plus, minus
from {{ ref('pleo__sign_census') }}
where has_both_signs
