{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

{%- set newest = pleo_so_far('max(publication)') or 0 %}

-- Vouchers and amounts of each build, noted once: the test `assert_published_vouchers_stay` compares them with the tables.
select
  vouchers.publication,
  count(*) as vouchers,
  max(lines.lines) as lines,
  max(lines.debit) as debit,
  max(lines.amount_minor) as amount_minor
from (select * from {{ ref('pleo__vouchers') }}) as vouchers
left join (
  select
    publication,
    count(*) as lines,
    sum(debit) as debit,
    sum(abs(amount_minor)) as amount_minor
  from {{ ref('pleo__voucher_lines') }}
  where publication > {{ newest }}
  group by publication
) as lines on lines.publication = vouchers.publication
where vouchers.publication > {{ newest }}
group by vouchers.publication
