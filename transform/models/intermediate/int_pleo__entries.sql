{{ config(
  materialized='incremental', incremental_strategy='append',
  indexes=pleo_indexes(['accounting_entry_id']),
  pre_hook="{{ pleo_forget_changed() }}", post_hook="{{ pleo_analyze() }}"
) }}

-- One decision per entry, from all jobs that delivered it:
--   book      book the item of the job `job_id`
--   nothing   nothing to book: the amount is zero
--   stay      booked for good, because Pleo calls the entry successful; if no voucher is left, book the item of `job_id`
--   keep      leave the vouchers as they are: the job has ended, the item's final status is not loaded yet
--   withdraw  not to be booked, for `reason`
with deliveries as (
  select
    items.*,
    jobs.created_at as job_created_at,
    case
      when coalesce(job_items.status, items.item_status) in ('successful', 'failed')
        then coalesce(job_items.status, items.item_status)
      when coalesce(job_items.status, items.item_status) = 'abandoned' then 'over'
      when jobs.status in ('completed', 'completed_with_errors') then 'ended'
      when jobs.is_over then 'over'
      else 'open'
    end as state,
    case
      when items.validation_status = 'failed' or items.outcome = 'failed' then 'failed'
      when items.outcome in ('booked', 'nothing_to_book') then items.outcome
      else 'unknown'
    end as verdict
  from (select * from {{ ref('stg_pleo__export_items') }}) as items
  left join (select * from {{ ref('stg_pleo__export_jobs') }}) as jobs on jobs.job_id = items.job_id
  left join (select * from {{ ref('stg_pleo__export_job_items') }}) as job_items
    on job_items.job_id = items.job_id and job_items.accounting_entry_id = items.accounting_entry_id
  {{- pleo_where_changed('items.accounting_entry_id') }}
),

sides as (
  select
    deliveries.job_id,
    deliveries.accounting_entry_id,
    bool_or({{ pleo_text('voucher.element', ['debit', 'role']) }} = 'line'
      or {{ pleo_text('voucher.element', ['credit', 'role']) }} = 'line') as has_line,
    bool_or(
      {{ pleo_text('voucher.element', ['debit', 'role']) }} is distinct from 'line'
        and {{ pleo_code('voucher.element', ['account'], ['debit']) }} is null
      or {{ pleo_text('voucher.element', ['credit', 'role']) }} is distinct from 'line'
        and {{ pleo_code('voucher.element', ['account'], ['credit']) }} is null
    ) as lacks_account
  from deliveries
  {{ pleo_elements('deliveries.vouchers', 'voucher') }}
  group by deliveries.job_id, deliveries.accounting_entry_id
),

lines as (
  select
    job_id,
    accounting_entry_id,
    count(*) as number_of_lines,
    count(coalesce(account_code, account_identifier)) as with_account,
    count({{ pleo_number('wallet_gross_source') }}) as with_amount,
    min(wallet_currency) as first_currency,
    max(wallet_currency) as last_currency,
    count(wallet_currency) as with_currency,
    sum({{ pleo_number('wallet_gross_source') }}) as gross_minor
  from {{ ref('stg_pleo__accounting_entry_lines') }}
  {{- pleo_where_changed() }}
  group by job_id, accounting_entry_id
),

judged as (
  select
    deliveries.*,
    {{ pleo_number('deliveries.wallet_amount_source') }} as amount_minor,
    case
      when sides.job_id is null then 'no_voucher'
      when {{ pleo_number('deliveries.wallet_amount_source') }} is null then 'amount_unknown'
      when currencies.unit is null then 'currency_unknown'
      when {{ pleo_major(pleo_number('deliveries.wallet_amount_source'), 'currencies.unit') }} is null
        then 'amount_too_long'
      when deliveries.entry_date is null then 'date_unknown'
      when sides.lacks_account then 'account_missing'
      when not sides.has_line then null
      when lines.number_of_lines is null then 'no_lines'
      when lines.with_amount < lines.number_of_lines then 'amount_unknown'
      when lines.with_currency < lines.number_of_lines
        or deliveries.wallet_currency is distinct from lines.first_currency
        or deliveries.wallet_currency is distinct from lines.last_currency then 'currencies_differ'
      when lines.gross_minor <> {{ pleo_number('deliveries.wallet_amount_source') }} then 'lines_do_not_add_up'
      when lines.with_account < lines.number_of_lines then 'line_without_account'
    end as obstacle
  from deliveries
  left join sides
    on sides.job_id = deliveries.job_id and sides.accounting_entry_id = deliveries.accounting_entry_id
  left join lines
    on lines.job_id = deliveries.job_id and lines.accounting_entry_id = deliveries.accounting_entry_id
  left join (select * from {{ ref('int_pleo__currencies') }}) as currencies on currencies.code = deliveries.wallet_currency
),

-- The latest delivery decides, but for those whose job ended before the item did.
ranked as (
  select
    *,
    verdict = 'booked' and obstacle is null as can_be_booked,
    bool_or(state = 'successful') over (partition by accounting_entry_id) as has_succeeded,
    row_number() over (
      partition by accounting_entry_id
      order by case when state in ('successful', 'open', 'failed') then 0 when state = 'ended' then 1 else 2 end,
        job_created_at desc nulls last, job_id desc
    ) as place,
    row_number() over (
      partition by accounting_entry_id
      order by case when verdict = 'booked' and obstacle is null then 0 else 1 end,
        case when state = 'successful' then 0 else 1 end, job_created_at desc nulls last, job_id desc
    ) as place_to_stay,
    row_number() over (partition by accounting_entry_id order by job_created_at desc nulls last, job_id desc) = 1
      as is_latest
  from judged
),

decided as (
  select
    *,
    case
      when state in ('open', 'successful') and can_be_booked then 'book'
      when state in ('open', 'successful') and verdict = 'nothing_to_book' then 'nothing'
      when has_succeeded then 'stay'
      when state = 'ended' then 'keep'
      else 'withdraw'
    end as decision
  from ranked
  where place = 1
)

select
  decided.accounting_entry_id,
  case when decided.decision = 'stay' then staying.job_id else decided.job_id end as job_id,
  decided.company_id,
  case when decided.decision = 'stay' and staying.job_id is null then 'keep' else decided.decision end as decision,
  decided.has_succeeded,
  -- Whether no later job delivered the entry: an older one does not change recorded vouchers.
  decided.is_latest,
  case
    when decided.decision in ('book', 'nothing') then null
    when decided.state in ('over', 'ended') then 'job_over'
    when decided.verdict = 'failed' then 'validation_failed'
    when decided.state = 'failed' then 'failed_in_pleo'
    when decided.verdict = 'unknown' then 'not_validated'
    else decided.obstacle
  end as reason,
  coalesce(decided.validation_failure_reason, decided.outcome_reason) as detail
from decided
left join ranked as staying
  on staying.accounting_entry_id = decided.accounting_entry_id and staying.place_to_stay = 1 and staying.can_be_booked
