-- Lines booked gross because their tax could not be split off; pleo__vat_exceptions says why.
{{ config(severity='warn') }}

select line_key, reason
from {{ ref('pleo__vat_exceptions') }}
where accounting_entry_id in (select accounting_entry_id from {{ ref('int_pleo__changed_entries') }})
