{{ config(materialized='table') }}

-- The legs of the drafts: debits are positive, credits negative.
with drafts as (
  select * from {{ ref('int_pleo__voucher_drafts') }}
),

sums as (
  select
    drafts.accounting_entry_id,
    drafts.document,
    drafts.unit,
    drafts.booked_minor,
    lines.line_number,
    leg.name as leg,
    leg.place,
    case when drafts.debit_role = 'line' then 1 else -1 end as side,
    lines.accounting_entry_line_id,
    case leg.name
      when 'line' then lines.account_code
      when 'reverse_out' then lines.outgoing_tax_account
      else lines.ingoing_tax_account
    end as account_code,
    case when leg.name = 'line' then lines.account_identifier end as account_identifier,
    case when leg.name = 'line' then lines.account_name end as account_name,
    lines.tax_code,
    lines.tax_rate,
    lines.tax_type,
    case
      when leg.name <> 'line' then leg.name
      when lines.vat_rule in ('split', 'reverse') then 'net'
      when lines.vat_rule = 'gross' then 'gross'
      when lines.tax_code is not null then 'net'
    end as vat,
    case when leg.name = 'line' then {{ pleo_tag_object('lines.tags') }} end as tags,
    case when drafts.is_turned then -amount.tax else amount.tax end as tax_minor,
    case when drafts.is_turned then -amount.leg else amount.leg end as amount_minor
  from drafts
  inner join (select * from {{ ref('int_pleo__line_taxes') }}) as lines
    on lines.job_id = drafts.job_id and lines.accounting_entry_id = drafts.accounting_entry_id
    and 'line' in (drafts.debit_role, drafts.credit_role)
  cross join (values ('line', 1), ('tax', 2), ('reverse_in', 3), ('reverse_out', 4)) as leg (name, place)
  cross join lateral (
    select
      lines.tax_minor as tax,
      case
        when leg.name = 'line' and lines.vat_rule = 'split' then lines.gross_minor - lines.tax_minor
        when leg.name = 'line' then lines.gross_minor
        when leg.name = 'reverse_out' then -lines.tax_minor
        else lines.tax_minor
      end as leg
  ) as amount
  where leg.name = 'line'
    or leg.name = 'tax' and lines.vat_rule = 'split'
    or leg.name in ('reverse_in', 'reverse_out') and lines.vat_rule = 'reverse'
),

{% if var('pleo_round', true) -%}
-- Whole units of the currency by the largest remainder: the legs add up to the rounded amount. Computed on magnitudes,
-- so that a refund is rounded as its purchase was. The two legs of a reverse charge are rounded each.
magnitudes as (
  select *, case when booked_minor < 0 then -amount_minor else amount_minor end as magnitude
  from sums
),

floors as (
  select
    *,
    leg not in ('reverse_in', 'reverse_out') as is_part,
    floor(magnitude) as whole,
    row_number() over (
      partition by accounting_entry_id, document, leg not in ('reverse_in', 'reverse_out')
      order by magnitude - floor(magnitude) desc, line_number, place
    ) as claim
  from magnitudes
),

shared as (
  select
    *,
    round(abs(booked_minor)) - sum(case when is_part then whole else 0 end) over (
      partition by accounting_entry_id, document
    ) as rest
  from floors
),

rounded as (
  select
    *,
    case when booked_minor < 0 then -1 else 1 end
    * case when not is_part then round(magnitude) else whole + case when claim <= rest then 1 else 0 end end
      as booked
  from shared
),
{%- else -%}
rounded as (
  select *, amount_minor as booked from sums
),
{%- endif %}

legs as (
  select
    accounting_entry_id,
    document,
    unit,
    line_number,
    place,
    case leg when 'line' then 'line' when 'reverse_out' then 'outgoingTax' else 'ingoingTax' end as role,
    account_code,
    account_identifier,
    account_name,
    case when side < 0 then -amount_minor else amount_minor end as amount_minor,
    cast(case when side < 0 then -booked else booked end as {{ pleo_exact_type(12) }}) as booked,
    tax_code,
    tax_rate,
    tax_type,
    cast(case when side < 0 then -1 else 1 end
    * coalesce(
      max(case when leg in ('tax', 'reverse_in') then booked end)
        over (partition by accounting_entry_id, document, line_number),
      {{ pleo_whole('tax_minor') }}
    ) as {{ pleo_exact_type(12) }}) as tax_booked,
    vat,
    accounting_entry_line_id,
    tags
  from rounded
  {%- for side, sign in [('debit', ''), ('credit', '-')] %}
  union all
  select
    accounting_entry_id,
    document,
    unit,
    {{ 0 if side == 'debit' else 2147483647 }},
    1,
    {{ side }}_role,
    -- The item's own account has an identifier and a name.
    {{ side }}_account,
    case
      when {{ side }}_role = 'wallet' and {{ side }}_account in (contra_account_code, contra_account_identifier)
        then contra_account_identifier
    end,
    case
      when {{ side }}_role = 'wallet' and {{ side }}_account in (contra_account_code, contra_account_identifier)
        then contra_account_name
    end,
    {{ sign }}booked_minor,
    cast({{ sign }}{{ pleo_whole('booked_minor') }} as {{ pleo_exact_type(12) }}),
    null,
    null,
    null,
    null,
    null,
    null,
    null
  from drafts
  where {{ side }}_role <> 'line'
  {%- endfor %}
)

select
  accounting_entry_id,
  document,
  cast(row_number() over (partition by accounting_entry_id, document order by line_number, place) as integer)
    as line_number,
  role,
  account_code,
  account_identifier,
  account_name,
  amount_minor,
  {{ pleo_major('booked', 'unit') }} as amount,
  tax_code,
  tax_rate,
  tax_type,
  {{ pleo_major('tax_booked', 'unit') }} as tax_amount,
  vat,
  accounting_entry_line_id,
  coalesce(tags, {{ pleo_empty_object() }}) as tags
from legs
where booked <> 0 or amount_minor <> 0
