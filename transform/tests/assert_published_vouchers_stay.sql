-- Nothing published changes or vanishes: the number of vouchers and lines of every build, and the amounts of the last
-- twenty small ones, are as they were noted then.
with vouchers as (
  select publication, count(*) as vouchers from {{ ref('pleo__vouchers') }} group by publication
),

lines as (
  select publication, count(*) as lines from {{ ref('pleo__voucher_lines') }} group by publication
),

{#- As literals, so that PostgreSQL plans by them. #}
{%- set recent = [0] %}
{%- if execute and load_relation(ref('int_pleo__publications')) %}
  {%- set query = 'select publication from ' ~ ref('int_pleo__publications') ~ ' where lines <= 100000 order by publication desc limit 20' %}
  {%- set recent = run_query(query).columns[0].values() | list or [0] %}
{%- endif %}

amounts as (
  select publication, sum(debit) as debit, sum(abs(amount_minor)) as amount_minor
  from {{ ref('pleo__voucher_lines') }}
  where publication in ({{ recent | join(', ') }})
  group by publication
)

select noted.publication
from (select * from {{ ref('int_pleo__publications') }}) as noted
left join vouchers on vouchers.publication = noted.publication
left join lines on lines.publication = noted.publication
left join amounts on amounts.publication = noted.publication
where noted.vouchers is distinct from vouchers.vouchers
  or noted.lines is distinct from lines.lines
  or amounts.publication is not null
    and (noted.debit <> amounts.debit or noted.amount_minor <> amounts.amount_minor)
