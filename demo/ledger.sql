-- A simple accounting system: book new vouchers, and list them for Pleo.
CREATE SCHEMA IF NOT EXISTS books;

CREATE TABLE IF NOT EXISTS books.vouchers (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    voucher_id text NOT NULL UNIQUE,
    accounting_entry_id text NOT NULL,
    job_id text NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS books.ledger (
    voucher bigint NOT NULL REFERENCES books.vouchers,
    line_number integer NOT NULL,
    company_id text NOT NULL,
    posting_date date NOT NULL,
    journal text,
    role text NOT NULL,
    account text NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (voucher, line_number)
);

INSERT INTO books.vouchers (voucher_id, accounting_entry_id, job_id)
SELECT voucher_id, accounting_entry_id, job_id
FROM pleo_models.pleo__vouchers_to_book
ORDER BY job_id, voucher_id
ON CONFLICT (voucher_id) DO NOTHING;

INSERT INTO books.ledger (voucher, line_number, company_id, posting_date, journal, role, account, currency, amount)
SELECT
    booked.number, line.line_number, voucher.company_id, voucher.posting_date, voucher.journal, line.role,
    coalesce(line.account_code, line.account_identifier), voucher.currency, line.amount
FROM books.vouchers AS booked
JOIN pleo_models.pleo__vouchers AS voucher ON voucher.voucher_id = booked.voucher_id
JOIN pleo_models.pleo__voucher_lines AS line ON line.voucher_id = booked.voucher_id
ON CONFLICT (voucher, line_number) DO NOTHING;

INSERT INTO pleo_models.pleo_recorded (voucher_id, external_id, external_url, recorded_at)
SELECT voucher_id, name, 'https://erp.example/' || name, booked_at
FROM books.vouchers CROSS JOIN LATERAL (SELECT 'JE-' || to_char(number, 'FM00000') AS name) AS named
ON CONFLICT (voucher_id) DO NOTHING;
