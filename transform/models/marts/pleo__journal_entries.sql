with postings as (
  select * from {{ ref('int_pleo__postings') }} where reason is null
),

lines as (
  select lines.*
  from {{ ref('pleo__accounting_entry_lines') }} as lines
  inner join postings on postings.accounting_entry_id = lines.accounting_entry_id
),

-- Debits are positive, credits negative; both follow the sign of the amounts.
legs as (
  select
    accounting_entry_id,
    line_number,
    'expense' as leg,
    account,
    case when posting_rule = 'net_and_tax' then wallet_net_minor else wallet_gross_minor end as amount_minor,
    case when posting_rule = 'net_and_tax' then wallet_net else wallet_gross end as amount,
    tax_code
  from lines
  union all
  select accounting_entry_id, line_number, 'tax', ingoing_tax_account, wallet_tax_minor, wallet_tax, tax_code
  from lines
  where posting_rule = 'net_and_tax'
  union all
  select accounting_entry_id, line_number, 'reverse_ingoing', ingoing_tax_account, wallet_tax_minor, wallet_tax, tax_code
  from lines
  where posting_rule = 'reverse_charge'
  union all
  select
    accounting_entry_id, line_number, 'reverse_outgoing', outgoing_tax_account, -wallet_tax_minor, -wallet_tax, tax_code
  from lines
  where posting_rule = 'reverse_charge'
  union all
  select accounting_entry_id, 0, 'counter', counter_account, -lines_amount_minor, -lines_amount, cast(null as text)
  from postings
)

select
  legs.accounting_entry_id || '/' || cast(legs.line_number as text) || '/' || legs.leg as journal_line_key,
  postings.job_id,
  legs.accounting_entry_id,
  legs.line_number,
  cast(legs.leg as text) as leg,
  postings.company_id,
  postings.entry_date,
  postings.journal,
  postings.bookkeeping_method,
  cast(legs.account as text) as account,
  postings.wallet_currency as currency,
  legs.amount_minor,
  legs.amount,
  case when legs.amount > 0 then legs.amount end as debit,
  case when legs.amount < 0 then -legs.amount end as credit,
  legs.tax_code
from legs
inner join postings on postings.accounting_entry_id = legs.accounting_entry_id
