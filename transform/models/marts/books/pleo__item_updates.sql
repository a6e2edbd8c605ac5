{{ config(materialized='view') }}

-- Names and shape are those of the stream `export_job_item_updates` of target-pleo-export.
with recorded as (
  select voucher_id, external_id, external_url, recorded_at from {{ ref('int_pleo__recorded_vouchers') }}
  union all
  select voucher_id, external_id, external_url, exported_at from {{ ref('int_pleo__reported_vouchers') }}
),

-- Bookings without a reversal, the first of each entry at place 1.
current_vouchers as (
  select
    vouchers.accounting_entry_id,
    recorded.external_id,
    recorded.external_url,
    recorded.recorded_at,
    bool_and(recorded.voucher_id is not null) over (partition by vouchers.accounting_entry_id) as are_recorded,
    row_number() over (
      partition by vouchers.accounting_entry_id
      order by recorded.recorded_at nulls last, vouchers.version, vouchers.document
    ) as place
  from (select * from {{ ref('pleo__vouchers') }}) as vouchers
  left join (select * from {{ ref('pleo__vouchers') }}) as reversals on reversals.reverses = vouchers.voucher_id
  left join recorded on recorded.voucher_id = vouchers.voucher_id
  where vouchers.kind = 'booking' and reversals.voucher_id is null
    and vouchers.accounting_entry_id in (select accounting_entry_id from {{ ref('int_pleo__open_items') }})
),

-- The first voucher of each open item's entry that waits to be recorded, and was refused since the item's job was created.
refusals as (
  select
    items.job_id,
    items.accounting_entry_id,
    {{ pleo_failure_type('refused.failure_reason_type') }} as failure_reason_type,
    coalesce(nullif(trim(left(refused.failure_reason, 500)), ''), 'The accounting system refused it') as failure_reason,
    row_number() over (
      partition by items.job_id, items.accounting_entry_id
      order by vouchers.document, vouchers.version
    ) as place
  from (select * from {{ source('pleo_export', 'pleo_refused') }}) as refused
  inner join (select * from {{ ref('pleo__vouchers_to_book') }}) as vouchers
    on vouchers.voucher_id = lower(refused.voucher_id)
  inner join (select * from {{ ref('int_pleo__open_items') }}) as items
    on items.accounting_entry_id = vouchers.accounting_entry_id
  left join (select * from {{ ref('stg_pleo__export_jobs') }}) as jobs on jobs.job_id = items.job_id
  where coalesce(jobs.created_at <= refused.refused_at, true)
),

-- Findings are reported to Pleo; checks that broke are not.
findings as (
  select
    checks.*,
    row_number() over (
      partition by checks.job_id, checks.accounting_entry_id
      order by checks.finding_number
    ) as place
  from (select * from {{ ref('pleo__validation_findings') }}) as checks
  where checks.status = 'failed' and checks.severity = 'error'
),

failed as (
  select
    job_id,
    accounting_entry_id,
    max(case when place = 1 then failure_reason_type end) as failure_reason_type,
    string_agg(failure_reason, '; ' order by place) as failure_reason
  from findings
  group by job_id, accounting_entry_id
),

-- An item without findings fails with its entry, if a later job's item has failed and the entry is not booked, unless
-- there is nothing to book and Pleo calls the entry successful.
judged as (
  select
    items.job_id,
    items.accounting_entry_id,
    case
      when booked.are_recorded then 'successful'
      when booked.are_recorded is null
        and (entries.decision = 'nothing' or entries.has_succeeded and own.outcome = 'nothing_to_book') then 'successful'
      when coalesce(failed.failure_reason_type, refused.failure_reason_type, latest.failure_reason_type, in_pleo.failure_reason_type) is not null
        then 'failed'
    end as status,
    coalesce(failed.failure_reason_type, refused.failure_reason_type, latest.failure_reason_type, in_pleo.failure_reason_type) as failure_reason_type,
    coalesce(failed.failure_reason, refused.failure_reason, latest.failure_reason, in_pleo.failure_reason) as failure_reason,
    booked.external_id,
    booked.external_url,
    booked.recorded_at
  from (select * from {{ ref('int_pleo__open_items') }}) as items
  left join (select * from {{ ref('int_pleo__entries') }}) as entries on entries.accounting_entry_id = items.accounting_entry_id
  left join (select * from {{ ref('stg_pleo__export_items') }}) as own
    on own.job_id = items.job_id and own.accounting_entry_id = items.accounting_entry_id
  left join current_vouchers as booked
    on booked.accounting_entry_id = items.accounting_entry_id and booked.place = 1
  left join failed on failed.job_id = items.job_id and failed.accounting_entry_id = items.accounting_entry_id
  left join refusals as refused
    on refused.job_id = items.job_id and refused.accounting_entry_id = items.accounting_entry_id and refused.place = 1
  left join failed as latest
    on latest.job_id = entries.job_id and latest.accounting_entry_id = entries.accounting_entry_id
    and entries.decision = 'withdraw' and booked.place is null
  left join (select * from {{ ref('stg_pleo__export_job_items') }}) as in_pleo
    on in_pleo.job_id = entries.job_id and in_pleo.accounting_entry_id = entries.accounting_entry_id
    and entries.decision = 'withdraw' and booked.place is null and in_pleo.status = 'failed'
)

select
  cast(job_id as text) as "jobId",
  cast(accounting_entry_id as text) as "accountingEntryId",
  cast(status as text) as "status",
  cast(case when status = 'failed' then failure_reason_type end as text) as "failureReasonType",
  cast(case when status = 'failed' then failure_reason end as text) as "failureReason",
  cast(case when status = 'successful' then external_id end as text) as "externalId",
  cast(case when status = 'successful' then external_url end as text) as "externalUrl",
  cast(case when status = 'successful' then {{ pleo_iso('recorded_at') }} end as text) as "exportedAt"
from judged
where status is not null
