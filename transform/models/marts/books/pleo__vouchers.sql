{{ config(
  materialized='incremental', incremental_strategy='append', full_refresh=false,
  indexes=pleo_indexes(['voucher_id'], ['accounting_entry_id'], ['publication']),
  post_hook="{{ pleo_analyze() }}"
) }}

-- Published vouchers: rows are only ever added. Where the booking of an entry differs from its newest voucher, that is
-- reversed and the next version follows.
with entries as (
  select entries.*
  from (select * from {{ ref('int_pleo__entries') }}) as entries
  inner join (select * from {{ ref('int_pleo__changed_entries') }}) as changed
    on changed.accounting_entry_id = entries.accounting_entry_id
),

legs as (
  select
    lines.accounting_entry_id,
    lines.document,
    {{ pleo_json_rows({
      'line_number': 'lines.line_number',
      'role': 'lines.role',
      'account_code': 'lines.account_code',
      'account_identifier': 'lines.account_identifier',
      'account_name': 'lines.account_name',
      'amount_minor': pleo_plain('lines.amount_minor'),
      'amount': pleo_plain('lines.amount'),
      'tax_code': 'lines.tax_code',
      'tax_rate': pleo_plain('lines.tax_rate'),
      'tax_type': 'lines.tax_type',
      'tax_amount': pleo_plain('lines.tax_amount'),
      'vat': 'lines.vat',
      'accounting_entry_line_id': 'lines.accounting_entry_line_id',
      'tags': 'lines.tags'
    }, 'lines.line_number') }} as legs,
    string_agg(
      concat_ws(
        '|',
        {% for column in ['role', 'account_code', 'account_identifier', 'tax_code', 'tax_type', 'vat'] -%}
        coalesce(replace(lines.{{ column }}, '|', '||'), ''),
        {% endfor -%}
        {% for column in ['amount_minor', 'amount', 'tax_rate', 'tax_amount'] -%}
        coalesce({{ pleo_plain('lines.' ~ column) }}, ''),
        {% endfor -%}
        cast(lines.tags as text)
      ),
      '||' order by lines.line_number
    ) as booked
  from (select * from {{ ref('int_pleo__voucher_draft_lines') }}) as lines
  group by lines.accounting_entry_id, lines.document
),

drafts as (
  select
    drafts.*,
    legs.legs,
    -- Of everything that is booked; texts, files and links may change without a new voucher.
    md5(
      concat_ws(
        '|',
        coalesce(drafts.journal, ''),
        cast(drafts.voucher_date as text),
        coalesce(cast(drafts.due_date as text), ''),
        drafts.currency,
        case
          when 'accountsPayable' in (drafts.debit_role, drafts.credit_role)
            then concat_ws('/', coalesce(drafts.vendor_code, ''), coalesce(drafts.vendor_external_id, ''))
        end,
        legs.booked
      )
    ) as digest
  from (select * from {{ ref('int_pleo__voucher_drafts') }}) as drafts
  inner join legs
    on legs.accounting_entry_id = drafts.accounting_entry_id and legs.document = drafts.document
),

{% if is_incremental() -%}
recorded as (
  select lower(accounting_entry_id) as accounting_entry_id, cast(null as text) as voucher_id
  from {{ source('pleo_export', 'pleo_recorded') }}
  where voucher_id is null
  union all
  select lower(split_part(voucher_id, '/', 1)), lower(voucher_id)
  from {{ source('pleo_export', 'pleo_recorded') }}
  where voucher_id is not null
),

newest as (
  select published.*
  from (
    select
      vouchers.*,
      row_number() over (
        partition by vouchers.accounting_entry_id, vouchers.document
        order by vouchers.version desc
      ) as place
    from {{ this }} as vouchers
    where vouchers.accounting_entry_id in (select accounting_entry_id from entries)
  ) as published
  where published.place = 1
),

standing as (
  select
    newest.accounting_entry_id,
    bool_or(newest.kind = 'booking') as is_booked,
    bool_or(newest.kind = 'booking' and recorded.accounting_entry_id is not null) as is_recorded
  from newest
  left join recorded
    on recorded.accounting_entry_id = newest.accounting_entry_id
    and (recorded.voucher_id is null or recorded.voucher_id = newest.voucher_id)
  group by newest.accounting_entry_id
),

wanted as (
  select drafts.*
  from drafts
  left join standing on standing.accounting_entry_id = drafts.accounting_entry_id
  left join entries on entries.accounting_entry_id = drafts.accounting_entry_id
  where not coalesce(standing.is_booked, false)
    or drafts.decision = 'book' and (entries.is_latest or not standing.is_recorded)
),

reversed as (
  select newest.*
  from newest
  inner join entries on entries.accounting_entry_id = newest.accounting_entry_id
  inner join standing on standing.accounting_entry_id = newest.accounting_entry_id
  left join wanted
    on wanted.accounting_entry_id = newest.accounting_entry_id and wanted.document = newest.document
  where newest.kind = 'booking'
    and (
      entries.decision in ('book', 'nothing') and (entries.is_latest or not standing.is_recorded)
      and wanted.digest is distinct from newest.digest
      or entries.decision = 'withdraw' and not standing.is_recorded
    )
),

bookings as (
  select
    wanted.*,
    coalesce(newest.version, 0)
    + case when newest.kind = 'booking' then 2 else 1 end as version
  from wanted
  left join newest
    on newest.accounting_entry_id = wanted.accounting_entry_id and newest.document = wanted.document
  where newest.voucher_id is null or newest.kind = 'reversal' or newest.digest <> wanted.digest
),
{%- else -%}
bookings as (
  select drafts.*, 1 as version from drafts
),
{%- endif %}

published as (
  select
    'booking' as kind,
    cast(null as text) as reverses,
    version,
    amount,
    foreign_amount,
    {{ pleo_voucher_columns() | join(', ') }}
  from bookings
  {%- if is_incremental() %}
  union all
  select
    'reversal',
    voucher_id,
    version + 1,
    -amount,
    -foreign_amount,
    {{ pleo_voucher_columns() | join(', ') }}
  from reversed
  {%- endif %}
),

numbered as (
  select
    *,
    accounting_entry_id || '/' || document || '/' || cast(version as text) as voucher_id,
    {{ pleo_open_day('voucher_date', 'company_id') }} as posting_date,
    cast({{ pleo_build() }} as bigint) as publication,
    current_timestamp as published_at
  from published
)

select
  {{ pleo_published_columns() | join(',\n  ') }},
  legs,
  digest
from numbered
