-- Per entry, per job and per currency, to the last digit, in minor and in major units.
with totals as (
  select 'entry' as per, accounting_entry_id as name, currency, sum(amount) as amount, sum(amount_minor) as minor
  from {{ ref('pleo__journal_entries') }}
  group by accounting_entry_id, currency
  union all
  select 'job', job_id, currency, sum(amount), sum(amount_minor)
  from {{ ref('pleo__journal_entries') }}
  group by job_id, currency
)

select * from totals where amount <> 0 or minor <> 0
