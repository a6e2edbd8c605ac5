-- A stand-in for an accounting system: book new journal entries, and list them for Pleo.
CREATE SCHEMA IF NOT EXISTS books;

CREATE TABLE IF NOT EXISTS books.vouchers (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    accounting_entry_id text NOT NULL UNIQUE,
    job_id text NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS books.ledger (
    voucher bigint NOT NULL REFERENCES books.vouchers,
    journal_line_key text PRIMARY KEY,
    entry_date date,
    journal text,
    account text NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL
);

INSERT INTO books.vouchers (accounting_entry_id, job_id)
SELECT DISTINCT accounting_entry_id, job_id
FROM pleo_models.pleo__journal_entries
ORDER BY 2, 1
ON CONFLICT (accounting_entry_id) DO NOTHING;

INSERT INTO books.ledger (voucher, journal_line_key, entry_date, journal, account, currency, amount)
SELECT voucher.number, entry.journal_line_key, entry.entry_date, entry.journal, entry.account, entry.currency, entry.amount
FROM pleo_models.pleo__journal_entries AS entry
JOIN books.vouchers AS voucher ON voucher.accounting_entry_id = entry.accounting_entry_id AND voucher.job_id = entry.job_id
ON CONFLICT (journal_line_key) DO NOTHING;

INSERT INTO pleo_models.pleo_recorded (job_id, accounting_entry_id, external_id, external_url, recorded_at)
SELECT job_id, accounting_entry_id, name, 'https://erp.example/' || name, booked_at
FROM books.vouchers CROSS JOIN LATERAL (SELECT 'JE-' || to_char(number, 'FM00000') AS name) AS named
ON CONFLICT (job_id, accounting_entry_id) DO NOTHING;
