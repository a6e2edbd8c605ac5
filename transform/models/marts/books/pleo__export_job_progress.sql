{{ config(materialized='view') }}

with items as (
  select
    job_id,
    count(*) as items,
    count(*) filter (where status = 'pending') as pending,
    count(*) filter (where status = 'in_progress') as in_progress,
    count(*) filter (where status = 'successful') as successful,
    count(*) filter (where status = 'failed') as failed,
    count(*) filter (where status = 'abandoned') as abandoned
  from {{ ref('stg_pleo__export_job_items') }}
  group by job_id
),

-- Open items by need: a row of the outbox to be sent, a voucher to be recorded, or neither.
waiting as (
  select
    open_items.job_id,
    count(*) as open_items,
    count(updates."accountingEntryId") as to_report,
    count(*) filter (where updates."accountingEntryId" is null and to_book.accounting_entry_id is not null) as to_book
  from (select * from {{ ref('int_pleo__open_items') }}) as open_items
  left join (select * from {{ ref('pleo__item_updates') }}) as updates
    on updates."jobId" = open_items.job_id and updates."accountingEntryId" = open_items.accounting_entry_id
  left join (select distinct accounting_entry_id from {{ ref('pleo__vouchers_to_book') }} where kind = 'booking') as to_book
    on to_book.accounting_entry_id = open_items.accounting_entry_id
  group by open_items.job_id
),

loaded as (
  select job_id, count(*) as items, count(*) filter (where validation_status = 'failed') as failed_validation
  from {{ ref('stg_pleo__export_items') }}
  group by job_id
)

select
  jobs.job_id,
  jobs.company_id,
  jobs.status,
  jobs.created_at,
  jobs.expires_at,
  {{ pleo_is_over('jobs') }} as is_over,
  case
    when jobs.status in ('pending', 'in_progress') and jobs.expires_at > current_timestamp
      then {{ pleo_minutes_until('jobs.expires_at') }}
    when jobs.status in ('pending', 'in_progress') and jobs.expires_at is not null then 0
  end as minutes_left,
  jobs.number_of_items as announced_items,
  cast(coalesce(items.items, 0) as integer) as listed_items,
  cast(coalesce(items.pending, 0) as integer) as pending_items,
  cast(coalesce(items.in_progress, 0) as integer) as in_progress_items,
  cast(coalesce(items.successful, 0) as integer) as successful_items,
  cast(coalesce(items.failed, 0) as integer) as failed_items,
  cast(coalesce(items.abandoned, 0) as integer) as abandoned_items,
  cast(coalesce(loaded.items, 0) as integer) as loaded_items,
  cast(coalesce(loaded.failed_validation, 0) as integer) as failed_validation_items,
  cast(coalesce(waiting.to_book, 0) as integer) as items_to_book,
  cast(coalesce(waiting.to_report, 0) as integer) as items_to_report,
  cast(coalesce(waiting.open_items - waiting.to_book - waiting.to_report, 0) as integer) as items_to_decide,
  coalesce(items.items, 0) > 0
    and items.items >= jobs.number_of_items
    and items.successful + items.failed + items.abandoned = items.items as is_complete
from (select * from {{ ref('stg_pleo__export_jobs') }}) as jobs
left join items on items.job_id = jobs.job_id
left join loaded on loaded.job_id = jobs.job_id
left join waiting on waiting.job_id = jobs.job_id
