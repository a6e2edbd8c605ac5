{{ config(materialized='view') }}

-- Which signs the amounts of a type have: Pleo documents them for purchases only.
select
  company_id,
  type,
  sub_type,
  count(*) filter (where wallet_amount_minor > 0) as plus,
  count(*) filter (where wallet_amount_minor < 0) as minus,
  count(*) filter (where wallet_amount_minor = 0) as zero,
  count(*) filter (where wallet_amount_minor > 0) > 0 and count(*) filter (where wallet_amount_minor < 0) > 0
    as has_both_signs
from {{ ref('pleo__expenses') }}
group by company_id, type, sub_type
