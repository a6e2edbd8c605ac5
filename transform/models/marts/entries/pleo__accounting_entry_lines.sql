{{ config(indexes=pleo_indexes([], ['accounting_entry_id'])) }}

with lines as (
  select lines.*, expenses.company_id, expenses.entry_date
  from (select * from {{ ref('stg_pleo__accounting_entry_lines') }}) as lines
  inner join (select * from {{ ref('pleo__expenses') }}) as expenses
    on expenses.job_id = lines.job_id and expenses.accounting_entry_id = lines.accounting_entry_id
  {{- pleo_where_changed('lines.accounting_entry_id') }}
),

valued as (
  select
    lines.*,
    {{ pleo_number('lines.wallet_gross_source') }} as wallet_gross_minor,
    {{ pleo_number('lines.wallet_net_source') }} as wallet_net_minor,
    case
      when lines.tax_wallet_currency = lines.wallet_currency then {{ pleo_number('lines.wallet_tax_source') }}
    end as wallet_tax_minor,
    {{ pleo_number('lines.supplier_gross_source') }} as supplier_gross_minor,
    {{ pleo_number('lines.supplier_net_source') }} as supplier_net_minor,
    {{ pleo_number('lines.supplier_tax_source') }} as supplier_tax_minor
  from lines
)

select
  valued.accounting_entry_id || '/' || cast(valued.line_number as text) as line_key,
  valued.accounting_entry_id,
  valued.line_number,
  valued.accounting_entry_line_id,
  valued.job_id,
  valued.company_id,
  valued.entry_date,
  coalesce(valued.account_code, valued.account_identifier) as account,
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
  valued.outgoing_tax_account
{%- for column, group in var('pleo_tag_columns', {}).items() %},
  (
    select string_agg(tags.code, ', ' order by tags.tag_number)
    from (select * from {{ ref('pleo__tags') }}) as tags
    where tags.accounting_entry_id = valued.accounting_entry_id and tags.line_number = valued.line_number
      and tags.group_code = '{{ group | string | replace("'", "''") }}'
  ) as {{ adapter.quote(pleo_column_name(column)) }}
{%- endfor %}
from valued
left join (select * from {{ ref('int_pleo__currencies') }}) as wallet on wallet.code = valued.wallet_currency
left join (select * from {{ ref('int_pleo__currencies') }}) as supplier on supplier.code = valued.supplier_currency
