-- A simple but strict accounting system: book new vouchers, and list them for Pleo. One that cannot be booked stops them all.
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
    party text,
    currency text NOT NULL,
    amount numeric NOT NULL,
    unit numeric NOT NULL,
    PRIMARY KEY (voucher, line_number),
    CONSTRAINT no_fractions CHECK (amount % unit = 0),
    CONSTRAINT payables_have_a_party CHECK (role NOT IN ('accountsPayable', 'outOfPocket') OR party IS NOT NULL)
);

CREATE TABLE IF NOT EXISTS books.closed_periods (
    company_id text PRIMARY KEY,
    until date NOT NULL
);

CREATE OR REPLACE FUNCTION books.refuse_closed_periods() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM books.closed_periods AS c WHERE c.company_id = NEW.company_id AND NEW.posting_date <= c.until) THEN
        RAISE EXCEPTION 'the period of % is closed', NEW.posting_date;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER closed_periods BEFORE INSERT ON books.ledger
FOR EACH ROW EXECUTE FUNCTION books.refuse_closed_periods();

INSERT INTO books.vouchers (voucher_id, accounting_entry_id, job_id)
SELECT voucher_id, accounting_entry_id, job_id
FROM pleo_models.pleo__vouchers_to_book
ORDER BY job_id, voucher_id
ON CONFLICT (voucher_id) DO NOTHING;

INSERT INTO books.ledger (
    voucher, line_number, company_id, posting_date, journal, role, account, party, currency, unit, amount
)
SELECT
    booked.number, line.line_number, voucher.company_id, voucher.posting_date, voucher.journal, line.role,
    coalesce(line.account_code, line.account_identifier),
    CASE line.role
        WHEN 'accountsPayable' THEN coalesce(vendor_code, vendor_external_id, vendor_name, supplier_code, supplier_name)
        WHEN 'outOfPocket' THEN coalesce(user_code, user_id, user_name)
    END,
    voucher.currency, currency.unit, line.amount
FROM books.vouchers AS booked
JOIN pleo_models.pleo__vouchers AS voucher ON voucher.voucher_id = booked.voucher_id
JOIN pleo_models.pleo__voucher_lines AS line ON line.voucher_id = booked.voucher_id
JOIN pleo_models.int_pleo__currencies AS currency ON currency.code = voucher.currency
ON CONFLICT (voucher, line_number) DO NOTHING;

DO $$
BEGIN
    IF EXISTS (SELECT FROM books.ledger GROUP BY voucher HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'debits and credits of a voucher differ';
    END IF;
    IF EXISTS (SELECT FROM books.vouchers WHERE number NOT IN (SELECT voucher FROM books.ledger)) THEN
        RAISE EXCEPTION 'a voucher has no lines';
    END IF;
END $$;

INSERT INTO pleo_models.pleo_recorded (voucher_id, external_id, external_url, recorded_at)
SELECT voucher_id, name, 'https://erp.example/' || name, booked_at
FROM books.vouchers CROSS JOIN LATERAL (SELECT 'JE-' || to_char(number, 'FM00000') AS name) AS named
ON CONFLICT (voucher_id) DO NOTHING;
