{{ config(materialized='table', post_hook='{{ pleo_analyze() }}') }}
{%- set since = pleo_last_build() %}

-- Entries that anything touched since the last complete build: all models below work on these alone.
with jobs as (
  select job_id from {{ ref('stg_pleo__export_jobs') }} where staged_in > {{ since }}
)

select accounting_entry_id from {{ ref('stg_pleo__export_items') }} where staged_in > {{ since }}
union
select accounting_entry_id from {{ ref('stg_pleo__export_job_items') }} where staged_in > {{ since }}
union
select accounting_entry_id from {{ ref('stg_pleo__export_items') }} where job_id in (select job_id from jobs)
