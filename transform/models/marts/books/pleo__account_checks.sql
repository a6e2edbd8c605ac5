{{ config(materialized='view') }}

-- Does it all close? `status` is unknown where no figure was given to compare with.
with legs as (
  select
    vouchers.company_id,
    vouchers.currency,
    vouchers.voucher_date,
    vouchers.due_date,
    vouchers.user_id,
    coalesce(vouchers.user_name, vouchers.user_code) as user_name,
    coalesce(vouchers.vendor_code, vouchers.vendor_external_id, vouchers.supplier_name) as vendor,
    coalesce(lines.account_code, lines.account_identifier) as account,
    lines.role,
    lines.amount
  from (select * from {{ ref('pleo__voucher_lines') }}) as lines
  inner join (select * from {{ ref('pleo__vouchers') }}) as vouchers on vouchers.voucher_id = lines.voucher_id
),

-- The first figure opens, each later one is compared with it plus the bookings between. One figure alone is
-- compared with all bookings up to its day.
figures as (
  select
    lower(company_id) as company_id,
    currency,
    balance_date,
    balance,
    first_value(balance_date) over (partition by lower(company_id), currency order by balance_date) as opening_date,
    first_value(balance) over (partition by lower(company_id), currency order by balance_date) as opening,
    count(*) over (partition by lower(company_id), currency) as figures
  from {{ source('pleo_export', 'pleo_balances') }}
),

wallet_figures as (
  select
    figures.company_id,
    figures.currency,
    figures.balance_date,
    figures.balance as expected,
    case when figures.figures = 1 then 0 else figures.opening end
    + coalesce(sum(legs.amount) filter (
      where figures.figures = 1 or legs.voucher_date > figures.opening_date
    ), 0) as balance
  from figures
  left join legs
    on legs.company_id = figures.company_id and legs.currency = figures.currency and legs.role = 'wallet'
    and legs.voucher_date <= figures.balance_date
  where figures.figures = 1 or figures.balance_date > figures.opening_date
  group by figures.company_id, figures.currency, figures.balance_date, figures.balance, figures.figures, figures.opening
),

wallets as (
  select
    legs.company_id,
    legs.currency,
    sum(legs.amount) as balance
  from legs
  where legs.role = 'wallet'
  group by legs.company_id, legs.currency
),

-- A payout names the reconciliation ids of the entries that it settles, including private spending set off against them.
settlements as (
  select
    vouchers.voucher_id,
    vouchers.company_id,
    vouchers.currency,
    vouchers.voucher_date,
    lines.amount,
    entry.element as reconciliation_id
  from (select * from {{ ref('pleo__vouchers') }}) as vouchers
  inner join (select * from {{ ref('pleo__voucher_lines') }}) as lines
    on lines.voucher_id = vouchers.voucher_id and lines.role = 'outOfPocket'
  left join (select * from {{ ref('pleo__vouchers') }}) as reversals on reversals.reverses = vouchers.voucher_id
  {{ pleo_texts('vouchers.reconciled_entries', 'entry') }}
  where vouchers.kind = 'booking' and reversals.voucher_id is null
),

owed as (
  select vouchers.company_id, vouchers.reconciliation_id, -sum(lines.amount) as amount
  from (select * from {{ ref('pleo__vouchers') }}) as vouchers
  inner join (select * from {{ ref('pleo__voucher_lines') }}) as lines
    on lines.voucher_id = vouchers.voucher_id and lines.role = 'outOfPocket'
  where vouchers.reconciliation_id is not null
  group by vouchers.company_id, vouchers.reconciliation_id
),

settled as (
  select
    settlements.voucher_id,
    settlements.company_id,
    settlements.currency,
    settlements.voucher_date,
    settlements.amount,
    count(*) as entries,
    count(owed.amount) as known_entries,
    sum(owed.amount) as expected
  from settlements
  left join owed
    on owed.company_id = settlements.company_id and owed.reconciliation_id = settlements.reconciliation_id
  group by
    settlements.voucher_id, settlements.company_id, settlements.currency, settlements.voucher_date, settlements.amount
),

found as (
  select
    'wallet' as check_name, company_id, currency, cast(null as text) as party, balance_date as as_of,
    balance, expected,
    case when balance = expected then 'ok' else 'differs' end as status
  from wallet_figures
  union all
  select 'wallet', wallets.company_id, wallets.currency, null, null, wallets.balance, null, 'unknown'
  from wallets
  left join wallet_figures
    on wallet_figures.company_id = wallets.company_id and wallet_figures.currency = wallets.currency
  where wallet_figures.company_id is null
  union all
  select
    'out_of_pocket', company_id, currency, max(user_name), max(voucher_date), sum(amount), 0,
    case when sum(amount) = 0 then 'ok' else 'open' end
  from legs
  where role = 'outOfPocket'
  group by company_id, currency, user_id
  union all
  select
    'accounts_payable', company_id, currency, vendor, min(coalesce(due_date, voucher_date)), sum(amount), 0,
    case when sum(amount) = 0 then 'ok' else 'open' end
  from legs
  where role = 'accountsPayable'
  group by company_id, currency, vendor
  union all
  select
    'transit', company_id, currency, account, max(voucher_date), sum(amount), 0,
    case when sum(amount) = 0 then 'ok' else 'open' end
  from legs
  where role = 'contra'
  group by company_id, currency, account
  union all
  select
    'settled_entries', company_id, currency, voucher_id, voucher_date, amount, expected,
    case
      when known_entries < entries then 'unknown'
      when amount = expected then 'ok'
      else 'differs'
    end
  from settled
)

select
  cast(check_name as text) as check_name,
  company_id,
  currency,
  cast(party as text) as party,
  as_of,
  cast(balance as {{ pleo_exact_type(16) }}) as balance,
  cast(expected as {{ pleo_exact_type(16) }}) as expected,
  cast(balance - expected as {{ pleo_exact_type(16) }}) as difference,
  cast(current_date - as_of as integer) as age_days,
  cast(status as text) as status
from found
