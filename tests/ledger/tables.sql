-- The columns of the models that the books read, and the tables through which the accounting system answers.
create schema pleo_models;

create table pleo_models.pleo__vouchers (
    voucher_id text primary key, kind text, reverses text, version integer, accounting_entry_id text, job_id text,
    company_id text, document text, journal text, voucher_date date, posting_date date, due_date date,
    document_number text, text text, type text, vendor_code text, vendor_external_id text, vendor_name text,
    supplier_code text, supplier_tax_identifier text, supplier_name text, supplier_country text, user_id text,
    user_code text, user_name text, currency text, amount numeric, foreign_currency text, foreign_amount numeric,
    files jsonb, web_link text, publication bigint
);

create table pleo_models.pleo__voucher_lines (
    voucher_id text, line_number integer, role text, account_code text, account_identifier text, account_name text,
    amount numeric, tax_code text, tax_rate numeric, tax_amount numeric, vat text, tags jsonb
);

create table pleo_models.pleo_recorded (
    voucher_id text unique, job_id text, accounting_entry_id text, external_id text, external_url text,
    recorded_at timestamptz
);

create table pleo_models.pleo_refused (
    voucher_id text not null unique, failure_reason_type text, failure_reason text, refused_at timestamptz
);

create view pleo_models.pleo__vouchers_to_book as
select *
from pleo_models.pleo__vouchers as vouchers
where not exists (select 1 from pleo_models.pleo_recorded as recorded where recorded.voucher_id = vouchers.voucher_id);
