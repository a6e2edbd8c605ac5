{{ config(materialized='table') }}

-- Entries that anything touched since the last complete build: all models below work on these alone.
with since as (
  select {{ pleo_last_build() }} as build
),

jobs as (
  select job_id from {{ ref('stg_pleo__export_jobs') }} where staged_in > (select build from since)
)

select accounting_entry_id from {{ ref('stg_pleo__export_items') }} where staged_in > (select build from since)
union
select accounting_entry_id from {{ ref('stg_pleo__export_job_items') }} where staged_in > (select build from since)
union
select accounting_entry_id from {{ ref('stg_pleo__export_items') }} where job_id in (select job_id from jobs)
