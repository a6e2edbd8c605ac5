{%- set groups = pleo_tag_groups(ref('stg_pleo__export_items')) %}

with lines as (
  select lines.*, expenses.company_id, expenses.entry_date
  from {{ ref('stg_pleo__accounting_entry_lines') }} as lines
  inner join {{ ref('pleo__expenses') }} as expenses
    on expenses.job_id = lines.job_id and expenses.accounting_entry_id = lines.accounting_entry_id
),

valued as (
  select
    lines.*,
    {{ pleo_number('lines.wallet_gross_source') }} as wallet_gross_minor,
    {{ pleo_number('lines.wallet_net_source') }} as wallet_net_minor,
    {{ pleo_number('lines.wallet_tax_source') }} as wallet_tax_minor,
    {{ pleo_number('lines.supplier_gross_source') }} as supplier_gross_minor,
    {{ pleo_number('lines.supplier_net_source') }} as supplier_net_minor,
    {{ pleo_number('lines.supplier_tax_source') }} as supplier_tax_minor
  from lines
),
{%- if groups %}

tags as (
  select
    lines.accounting_entry_id,
    lines.line_number
  {%- for column, codes in groups.items() %},
    string_agg({{ pleo_text('tag.element', ['code']) }}, ', ' order by tag.position) filter (
      where {{ pleo_text('tag.element', ['groupCode']) }} in (
        {%- for code in codes %}'{{ code | replace("'", "''") }}'{{ ', ' if not loop.last }}{% endfor -%}
      )
    ) as {{ column }}
  {%- endfor %}
  from lines
  {{ pleo_elements('lines.tags', 'tag') }}
  group by lines.accounting_entry_id, lines.line_number
),
{%- endif %}

ruled as (
  select
    valued.*,
    case
      when valued.tax_wallet_currency is distinct from valued.wallet_currency or valued.wallet_tax_minor is null
        then 'gross'
      when valued.tax_type = 'reverse' and valued.ingoing_tax_account is not null
        and valued.outgoing_tax_account is not null
        then 'reverse_charge'
      when valued.tax_type is distinct from 'reverse' and valued.ingoing_tax_account is not null
        and valued.net_wallet_currency = valued.wallet_currency
        and valued.wallet_net_minor + valued.wallet_tax_minor = valued.wallet_gross_minor
        then 'net_and_tax'
      else 'gross'
    end as posting_rule
  from valued
)

select
  valued.accounting_entry_id || '/' || cast(valued.line_number as text) as line_key,
  valued.accounting_entry_id,
  valued.line_number,
  valued.accounting_entry_line_id,
  valued.job_id,
  valued.company_id,
  valued.entry_date,
  valued.account,
  valued.account_name,
  valued.wallet_currency,
  valued.wallet_gross_minor,
  {{ pleo_major('valued.wallet_gross_minor', 'wallet.unit') }} as wallet_gross,
  valued.wallet_net_minor,
  {{ pleo_major('valued.wallet_net_minor', 'wallet.unit') }} as wallet_net,
  valued.wallet_tax_minor,
  {{ pleo_major('valued.wallet_tax_minor', 'wallet.unit') }} as wallet_tax,
  valued.supplier_currency,
  valued.supplier_gross_minor,
  {{ pleo_major('valued.supplier_gross_minor', 'supplier.unit') }} as supplier_gross,
  valued.supplier_net_minor,
  {{ pleo_major('valued.supplier_net_minor', 'supplier.unit') }} as supplier_net,
  valued.supplier_tax_minor,
  {{ pleo_major('valued.supplier_tax_minor', 'supplier.unit') }} as supplier_tax,
  valued.tax_code,
  valued.tax_type,
  valued.tax_rate,
  valued.ingoing_tax_account,
  valued.outgoing_tax_account,
  valued.posting_rule
{%- for column in groups %},
  tags.{{ column }}
{%- endfor %}
from ruled as valued
{%- if groups %}
left join tags on tags.accounting_entry_id = valued.accounting_entry_id and tags.line_number = valued.line_number
{%- endif %}
left join {{ ref('int_pleo__currencies') }} as wallet on wallet.code = valued.wallet_currency
left join {{ ref('int_pleo__currencies') }} as supplier on supplier.code = valued.supplier_currency
