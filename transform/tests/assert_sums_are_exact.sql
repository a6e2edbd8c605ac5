-- Sums in major units are the sums of the untouched minor amounts, times the unit.
with sums as (
  select
    lines.wallet_currency as currency,
    sum(lines.wallet_gross) as major,
    sum(lines.wallet_gross_minor) * max(currencies.unit) as expected
  from {{ ref('pleo__accounting_entry_lines') }} as lines
  inner join {{ ref('int_pleo__currencies') }} as currencies on currencies.code = lines.wallet_currency
  group by lines.wallet_currency
)

select * from sums where major <> expected
