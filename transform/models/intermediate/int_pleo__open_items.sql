-- Items that Pleo waits for, in jobs that can still be written to.
select items.job_id, items.accounting_entry_id
from (select * from {{ ref('stg_pleo__export_job_items') }}) as items
left join (select * from {{ ref('stg_pleo__export_jobs') }}) as jobs on jobs.job_id = items.job_id
where coalesce(items.status, 'pending') not in ('successful', 'failed', 'abandoned')
  and not {{ pleo_is_over('jobs') }}
