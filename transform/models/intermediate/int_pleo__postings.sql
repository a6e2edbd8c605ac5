-- Items to book, without failed and abandoned ones. `reason` says why an item cannot be booked.
with expenses as (
  select *
  from {{ ref('pleo__expenses') }}
  where coalesce(validation_status, 'passed') <> 'failed'
    and coalesce(pleo_status, 'pending') not in ('failed', 'abandoned')
),

lines as (
  select
    accounting_entry_id,
    count(*) as number_of_lines,
    count(*) filter (where account is null) as without_account,
    count(wallet_gross_minor) as with_amount,
    count(wallet_gross) as with_major_amount,
    min(wallet_currency) as first_currency,
    max(wallet_currency) as last_currency,
    sum(wallet_gross_minor) as gross_minor,
    sum(wallet_gross) as gross
  from {{ ref('pleo__accounting_entry_lines') }}
  group by accounting_entry_id
)

select
  expenses.accounting_entry_id,
  expenses.job_id,
  expenses.company_id,
  expenses.entry_date,
  expenses.journal,
  expenses.bookkeeping_method,
  expenses.counter_account,
  expenses.counter_account_role,
  expenses.wallet_currency,
  expenses.wallet_amount_minor,
  expenses.wallet_amount,
  lines.gross_minor as lines_amount_minor,
  lines.gross as lines_amount,
  case
    when lines.number_of_lines is null then 'no_lines'
    when expenses.wallet_amount_minor is null or lines.with_amount < lines.number_of_lines then 'amount_unknown'
    when expenses.wallet_currency is distinct from lines.first_currency
      or expenses.wallet_currency is distinct from lines.last_currency then 'currencies_differ'
    when expenses.wallet_amount is null or lines.with_major_amount < lines.number_of_lines then 'currency_unknown'
    when lines.gross_minor <> expenses.wallet_amount_minor then 'lines_do_not_add_up'
    when lines.without_account > 0 then 'line_without_account'
    when expenses.counter_account is null then 'no_counter_account'
  end as reason
from expenses
left join lines on lines.accounting_entry_id = expenses.accounting_entry_id
