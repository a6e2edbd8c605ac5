-- Bookings that another integration has reported to Pleo: not recorded, and their entry is successful in the job that
-- delivered them, in a later one, or in one that delivered the same item.
with reported as (
  select
    vouchers.voucher_id,
    job_items.external_id,
    job_items.external_url,
    job_items.exported_at,
    row_number() over (
      partition by vouchers.voucher_id
      order by job_items.exported_at nulls last, jobs.created_at, jobs.job_id
    ) as place
  from (select * from {{ ref('pleo__vouchers') }}) as vouchers
  inner join (select * from {{ ref('stg_pleo__export_job_items') }}) as job_items
    on job_items.accounting_entry_id = vouchers.accounting_entry_id and job_items.status = 'successful'
  left join (select * from {{ ref('int_pleo__recorded_vouchers') }}) as recorded on recorded.voucher_id = vouchers.voucher_id
  left join (select * from {{ ref('stg_pleo__export_jobs') }}) as jobs on jobs.job_id = job_items.job_id
  left join (select * from {{ ref('stg_pleo__export_jobs') }}) as own_job on own_job.job_id = vouchers.job_id
  left join (select * from {{ ref('stg_pleo__export_items') }}) as item
    on item.job_id = job_items.job_id and item.accounting_entry_id = vouchers.accounting_entry_id
  left join (select * from {{ ref('stg_pleo__export_items') }}) as own_item
    on own_item.job_id = vouchers.job_id and own_item.accounting_entry_id = vouchers.accounting_entry_id
  where vouchers.kind = 'booking' and recorded.voucher_id is null
    and (
      job_items.job_id = vouchers.job_id
      or jobs.created_at > own_job.created_at
      or cast(item.vouchers as text) = cast(own_item.vouchers as text)
      and item.wallet_amount_source = own_item.wallet_amount_source
      and cast(item.accounting_entry_lines as text) = cast(own_item.accounting_entry_lines as text)
    )
)

select voucher_id, external_id, external_url, exported_at
from reported
where place = 1
