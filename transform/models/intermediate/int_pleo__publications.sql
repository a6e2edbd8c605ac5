{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

-- What each build published, noted once: the test `assert_published_vouchers_stay` compares it with what is there.
select
  vouchers.publication,
  count(*) as vouchers,
  max(lines.lines) as lines,
  max(lines.debit) as debit,
  max(lines.amount_minor) as amount_minor
from {{ ref('pleo__vouchers') }} as vouchers
left join (
  select
    publication,
    count(*) as lines,
    sum(debit) as debit,
    sum(abs(amount_minor)) as amount_minor
  from {{ ref('pleo__voucher_lines') }}
  {%- if is_incremental() %}
  where publication > (select coalesce(max(publication), 0) from {{ this }})
  {%- endif %}
  group by publication
) as lines on lines.publication = vouchers.publication
{%- if is_incremental() %}
where vouchers.publication > (select coalesce(max(publication), 0) from {{ this }})
{%- endif %}
group by vouchers.publication
