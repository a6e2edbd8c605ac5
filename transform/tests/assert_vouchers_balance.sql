-- Each voucher that this build published, in minor and in major units, to the last digit.
select voucher_id, sum(amount) as amount, sum(amount_minor) as amount_minor
from {{ ref('pleo__voucher_lines') }}
where publication = {{ pleo_build() }}
group by voucher_id
having sum(amount) <> 0 or sum(amount_minor) <> 0 or count(*) < 2
