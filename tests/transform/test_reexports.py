"""An entry that several jobs deliver, with its id in upper and lower case: one expense, one booking, one update."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.voucher_records import COMPANY, NOW, Load, failed, item, line, money, uuid
from tests.helpers.warehouse import MODELS, Warehouse
from tests.transform.read_rows import check as check_rows

if TYPE_CHECKING:
    from pathlib import Path

    from tools.postgres import Postgres

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(900)]
ENTRY, OTHER = uuid(10), uuid(11)
RECORD = (
    "insert into pleo_recorded (voucher_id, external_id, recorded_at) "
    f"values ('{ENTRY}/expense/1', 'JE-1', timestamp with time zone '2026-11-25 12:00:00+00')"
)
VOUCHERS = "select voucher_id from pleo__vouchers order by voucher_id"
DEFAULT_FAILURE = "accounting_system_validation_failure"
FAILED = 'select "accountingEntryId", "failureReasonType", "failureReason" from pleo__item_updates '
FAILED += "where status = 'failed'"
UPDATES = 'select "jobId", "accountingEntryId", status, "externalId" from pleo__item_updates'


def build(made: Warehouse, load: Load) -> None:
    load.into(made)
    made.build()


@pytest.mark.parametrize("kind", ["postgres", "duckdb"])
def test_an_entry_is_booked_once_whichever_job_delivers_it(server: Postgres, tmp_path: Path, kind: str) -> None:
    server.create_database(f"reexports_{kind}")
    made = Warehouse(kind, tmp_path, server, f"reexports_{kind}", tmp_path)
    load = Load()
    load.job(1)
    load.deliver(1, item(10, files=[{"url": "https://files.example/1"}]))
    load.deliver(1, item(11) | {"amount": money(11900, "EUR", (13000, "USD"))})
    build(made, load)
    made.rows(RECORD)

    load = Load()
    load.job(1, "failed")
    load.job(2)
    load.deliver(2, item(10, files=[{"url": "https://files.example/2"}]) | {"accountingEntryId": ENTRY.upper()})
    build(made, load)
    assert made.rows("select url from pleo__attachments") == [("https://files.example/2",)]
    assert made.rows(VOUCHERS) == [(f"{ENTRY}/expense/1",), (f"{OTHER}/expense/1",), (f"{OTHER}/expense/2",)]
    amounts = f"select kind, amount, foreign_amount from pleo__vouchers where accounting_entry_id = '{OTHER}'"
    assert sorted(made.rows(amounts)) == [("booking", 119, 130), ("reversal", -119, -130)]
    assert made.rows("select voucher_id from pleo__vouchers_to_book") == []
    assert made.rows(UPDATES) == [(uuid(2, 1), ENTRY, "successful", "JE-1")]

    load = Load()
    load.deliver(2, item(10, amount=500))
    build(made, load)
    expenses = "select number_of_jobs, wallet_amount from pleo__expenses"
    assert made.rows(f"{expenses} where accounting_entry_id = '{ENTRY}'") == [(2, 5)]
    assert made.rows(f"{VOUCHERS} limit 3") == [(f"{ENTRY}/expense/{version}",) for version in (1, 2, 3)]
    assert made.rows(UPDATES) == []

    # Recorded by job and entry, when the first version was the newest, and now.
    made.rows("delete from pleo_recorded")
    insert = "insert into pleo_recorded (job_id, accounting_entry_id, external_id, recorded_at) select"
    first = f"published_at from pleo__vouchers where voucher_id = '{ENTRY}/expense/1'"
    made.rows(f"{insert} '{uuid(1, 1)}', '{ENTRY}', 'JE-1', {first}")
    made.rows(f"{insert} '{uuid(2, 1).upper()}', '{ENTRY.upper()}', 'JE-3', current_timestamp")
    recorded = "select voucher_id, external_id from int_pleo__recorded_vouchers order by voucher_id"
    assert made.rows(recorded) == [(f"{ENTRY}/expense/1", "JE-1"), (f"{ENTRY}/expense/3", "JE-3")]


@pytest.mark.parametrize("kind", ["postgres", "duckdb"])
def test_a_booking_that_returns_is_to_be_booked_again(server: Postgres, tmp_path: Path, kind: str) -> None:
    server.create_database(f"returns_{kind}")
    made = Warehouse(kind, tmp_path, server, f"returns_{kind}", tmp_path)
    # The first is recorded here, the second by another integration, the third refused.
    entries = {10: ENTRY, 11: OTHER}
    load = Load()
    load.job(1)
    for number in (*entries, 12):
        load.deliver(1, item(number))
    build(made, load)
    made.rows(RECORD)
    made.rows(f"insert into pleo_refused (voucher_id, refused_at) values ('{uuid(12)}/expense/1', current_timestamp)")
    assert made.rows(FAILED) == [(uuid(12), DEFAULT_FAILURE, "The accounting system refused it")]

    load = Load()
    load.job(2)
    for number, entry in entries.items():
        load.status(1, entry, "successful", externalId="JE-1")
        load.deliver(2, item(number, amount=500))
    load.status(1, uuid(12), "failed", failureReasonType=DEFAULT_FAILURE)
    build(made, load)
    waiting = "select voucher_id from pleo__vouchers_to_book order by voucher_id"
    assert made.rows(waiting) == [(f"{entry}/expense/{version}",) for entry in entries.values() for version in (2, 3)]

    load = Load()
    load.job(2, "failed", failureReasonType="canceled_by_user")
    load.job(3)
    load.deliver(3, item(12))
    build(made, load)
    again = [(f"{entry}/expense/{version}",) for entry in entries.values() for version in (2, 5)]
    assert made.rows(waiting) == [*again, (f"{uuid(12)}/expense/3",)]
    assert made.rows(FAILED) == []
    amount = "select sum(amount) from pleo__voucher_lines where debit <> 0 and voucher_id = "
    for entry in entries.values():
        assert made.rows(f"{amount}'{entry}/expense/5'") == made.rows(f"{amount}'{entry}/expense/1'")


FAILURE = "missing_configuration"
RESULTS = "insert into pleo_recorded (voucher_id, external_id, recorded_at) values " + ", ".join(
    f"('{entry}/{document}/1', '{external_id}', timestamp with time zone '2026-11-25 12:0{minute}:00+00')"
    for entry, document, external_id, minute in (
        (uuid(20), "payment", "JE-20P", 1), (uuid(20), "bill", "JE-20B", 2), (uuid(21), "payment", "JE-21P", 1),
        (uuid(25), "expense", "JE-25", 1), (uuid(26).upper(), "expense", "JE-26", 1),
        (uuid(33), "bill", "JE-33B", 1), (uuid(34), "expense", "JE-34", 1), (uuid(38), "expense", "JE-38", 1),
    )
)  # fmt: skip
CLOSED = "account_unknown"
# One after the first load, before the second; the other before both.
NEWLY, BEFORE = "current_timestamp", "timestamp with time zone '2026-11-25 12:00:00+00'"
REFUSED: tuple[tuple[int, str, str, str], ...] = (
    (32, "expense/1", CLOSED, NEWLY), (33, "payment/1", "closed", NEWLY), (34, "expense/1", CLOSED, NEWLY),
    (35, "bill/1", CLOSED, NEWLY), (35, "payment/1", "tag_unknown", NEWLY), (36, "expense/1", CLOSED, BEFORE),
    (37, "expense/1", CLOSED, NEWLY),
)  # fmt: skip
REFUSALS = "insert into pleo_refused (voucher_id, failure_reason_type, failure_reason, refused_at) values " + ", ".join(
    f"('{uuid(number).upper()}/{voucher}', '{kind}', '{'Period closed. ' * 50}', {at})"
    for number, voucher, kind, at in REFUSED
)
Row = tuple[int, str, str | None, str | None]
SETTLED: dict[int, tuple[str, list[Row]]] = {
    20: ("two documents are recorded: the id of the one recorded first", [(1, "successful", "JE-20P", None)]),
    21: ("one document of two is recorded", []),
    22: ("another integration reported it, then it comes again", [(2, "successful", "X-22", None)]),
    23: ("a later job's item fails", [(job, "failed", None, FAILURE) for job in (1, 2)]),
    24: ("it failed before, and passes in the later job", [(1, "failed", None, FAILURE)]),
    25: ("open in two jobs", [(job, "successful", "JE-25", None) for job in (1, 2)]),
    26: ("the later item fails, recorded in upper case", [(job, "successful", "JE-26", None) for job in (1, 2)]),
    27: ("nothing to book in either", [(job, "successful", None, None) for job in (1, 2)]),
    28: ("its only job has expired", []),
    29: ("failed, and its only job was cancelled", []),
    31: ("nothing to book, once reported, and a later item that has failed", [(2, "successful", None, None)]),
    39: ("nothing to book, and its status was not loaded", [(1, "successful", None, None)]),
    30: ("failed in Pleo by another integration, then open again", []),
    32: ("refused", [(1, "failed", None, CLOSED)]),
    33: ("one document of two is recorded, the other refused", [(1, "failed", None, DEFAULT_FAILURE)]),
    34: ("refused, then recorded", [(1, "successful", "JE-34", None)]),
    35: ("both documents are refused: the reason of the first", [(1, "failed", None, CLOSED)]),
    36: ("refused before the job was created", []),
    38: ("the reversal of its recorded voucher is refused", [(2, "failed", None, DEFAULT_FAILURE)]),
    37: ("refused, and this job's item failed its checks", [(1, "failed", None, FAILURE)]),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["postgres", "duckdb"])
def test_each_open_item_has_the_row_that_its_entry_calls_for(server: Postgres, tmp_path: Path, kind: str) -> None:
    server.create_database(f"outbox_{kind}")
    made = Warehouse(kind, tmp_path, server, f"outbox_{kind}", tmp_path)
    load = Load()
    for job in (1, 2):
        load.job(job)
    load.job(3, expiresAt="2026-11-20T12:00:00Z")
    load.job(4, "failed", failureReasonType="canceled_by_user")
    vendor: dict[str, Any] = {"vendor": {"id": None, "name": "Nordlys", "code": "V-1"}}
    for number in (20, 21, 33, 35):
        load.deliver(1, item(number, method="accounts_payable", **vendor))
    load.deliver(1, item(22))
    load.status(1, uuid(22), "successful", externalId="X-22")
    load.deliver(1, failed(item(24)))
    for number in (23, 25, 26, 32, 34, 36, 37, 38):
        load.deliver(1, item(number))
    load.deliver(1, item(27, amount=0))
    load.deliver(3, item(28))
    load.deliver(4, failed(item(29)))
    load.deliver(1, item(30))
    load.status(1, uuid(30), "failed", failureReasonType=FAILURE)
    load.deliver(1, item(31, amount=0), "successful")
    load.deliver(1, item(39, amount=0), None)
    build(made, load)
    made.rows(RESULTS)
    made.rows(REFUSALS)

    load = Load()
    for number in (22, 24, 25, 30):
        load.deliver(2, item(number))
    for number in (27, 31):
        load.deliver(2, item(number, amount=0))
    load.job(5)
    load.deliver(5, failed(item(31)), "failed")
    for number in (23, 26):
        load.deliver(2, failed(item(number)))
    load.deliver(1, failed(item(37)))
    load.status(1, uuid(38), "successful", externalId="JE-38")
    load.deliver(2, item(38, amount=500))
    build(made, load)
    made.rows(f"insert into pleo_refused (voucher_id) values ('{uuid(38)}/expense/2')")
    for number, (story, rows) in SETTLED.items():
        found = made.rows(
            'select "jobId", status, "externalId", "failureReasonType" from pleo__item_updates '
            f"""where "accountingEntryId" = '{uuid(number)}' order by 1"""
        )
        assert found == [(uuid(job, 1), *rest) for job, *rest in rows], story
    reasons = made.rows(f"{FAILED} and \"accountingEntryId\" = '{uuid(32)}'")
    assert reasons == [(uuid(32), CLOSED, ("Period closed. " * 50)[:500].strip())]
    progress = "select items_to_report, items_to_book from pleo__export_job_progress where job_id = "
    assert made.rows(f"{progress}'{uuid(1, 1)}'") == [(12, 2)]
    for model in MODELS:
        check_rows(made, "reexports", model)


PAYOUT = {"reconciliationId": "CR000058", "reconciledEntries": ["CR000057"]}


def _first_deliveries() -> Load:
    load = Load()
    for job in (1, 2):
        load.job(job)
    load.deliver(1, item(50))
    for number, other in ((51, "DKK"), (52, "USD")):
        lines = [line(11000), line(900, currency=other)]
        load.deliver(1, item(number, accountingEntryLines=lines))
    load.deliver(1, item(53, "refund", amount=-5000) | {"amount": money(-5000, "EUR", (-5500, "USD"))})
    vendor: dict[str, Any] = {"vendor": {"id": None, "name": "Nordlys", "code": "V-1"}}
    for number, due in ((54, "2026-12-24"), (55, "2026-12-03"), (56, "2026-12-31")):
        information = {"reconciliationId": f"CR{number}", "invoiceInformation": {"dueDate": due}}
        load.deliver(1, item(number, "invoice", additionalInformation=information, **vendor))
    load.deliver(1, item(57, "out_of_pocket", amount=2500))
    load.deliver(1, item(58, "direct_reimbursement", amount=2400, additionalInformation=PAYOUT))
    load.deliver(1, item(61) | {"amount": money(11900, "EUR", (5, "XBT"))})
    for number in (62, 63, 65):
        load.deliver(1, item(number))
    # The largest remainder gets the cent, not the largest line.
    load.deliver(1, item(66, amount=100, accountingEntryLines=[line(Decimal("60.4")), line(Decimal("39.6"), "6200")]))
    # The legs of a reverse charge are rounded each.
    reverse = {"amount": Decimal("19.6"), "type": "reverse", "ingoing": "1577", "outgoing": "1787"}
    load.deliver(1, item(67, amount=100, accountingEntryLines=[line(100, tax=reverse)]))
    # Of two jobs that were created at once, the one with the higher id counts as the later.
    for job in (10, 11):
        load.job(job, createdAt=NOW.isoformat(), companyId=COMPANY.upper())
    load.deliver(10, item(60, amount=7000))
    # A payment names its bill, too, but settles nothing that an employee is owed.
    paid = {"reconciliationId": "CR000064", "reconciledEntries": ["CR54"]}
    load.deliver(1, item(64, "invoice_payment", additionalInformation=paid, **vendor))
    # Its job's record was not loaded.
    load.deliver(9, item(59))
    load.status(9, uuid(59), "successful", externalId="X-59")
    return load


@pytest.mark.parametrize("kind", ["postgres", "duckdb"])
def test_withdrawals_settlements_and_odd_currencies(server: Postgres, tmp_path: Path, kind: str) -> None:
    server.create_database(f"withdrawn_{kind}")
    made = Warehouse(kind, tmp_path, server, f"withdrawn_{kind}", tmp_path)
    build(made, _first_deliveries())

    load = Load()
    load.deliver(2, item(50, amount=500), "failed")
    load.status(2, uuid(50), "failed", failureReasonType=CLOSED)
    load.deliver(11, item(60, amount=8000))
    load.deliver(1, item(62, amount=500))
    for number in (63, 65):
        load.deliver(2, item(number, amount=500))
    load.deliver(2, item(57, "out_of_pocket", amount=2600))
    load.deliver(2, item(58, "direct_reimbursement", amount=2600, additionalInformation=PAYOUT))
    build(made, load)

    # Pleo failed the entry in the later job; it is withdrawn, so the earlier job's item fails with the same reason.
    assert made.rows(FAILED) == [(uuid(50), CLOSED, None)]
    assert made.rows("select distinct company_id from pleo__export_job_progress") == [(COMPANY,)]
    differing = "select accounting_entry_id from pleo__not_booked where reason = 'currencies_differ' order by 1"
    assert made.rows(differing) == [(uuid(51),), (uuid(52),)]
    refund = f"select amount, foreign_amount from pleo__vouchers where accounting_entry_id = '{uuid(53)}'"
    assert made.rows(refund) == [(50, 55)]
    checks = "select party, as_of, balance, expected, status from pleo__account_checks where check_name = "
    assert made.rows(f"{checks}'accounts_payable'") == [("V-1", "2026-11-05", -238, 0, "open")]
    assert made.rows(f"{checks}'settled_entries'") == [(f"{uuid(58)}/reimbursement/3", "2026-11-05", 26, 26, "ok")]
    waiting = made.rows("select accounting_entry_id from pleo__vouchers_to_book where kind = 'booking' order by 1")
    assert waiting == [(uuid(number),) for number in (*range(53, 59), *range(60, 68))]
    # Its job's record was not loaded.
    assert made.rows(f"select count(*) from pleo__expenses where accounting_entry_id = '{uuid(59)}'") == [(1,)]
    parts = f"select account_code, amount from pleo__voucher_lines where voucher_id = '{uuid(66)}/expense/1'"
    assert made.rows(f"{parts} and role = 'line' order by 1") == [("6100", Decimal("0.6")), ("6200", Decimal("0.4"))]
    legs = f"select amount from pleo__voucher_lines where voucher_id = '{uuid(67)}/expense/1' and vat like 'reverse%'"
    assert made.rows(f"{legs} order by 1") == [(Decimal("-0.2"),), (Decimal("0.2"),)]
    unknown = (
        f"select amount, foreign_currency, foreign_amount from pleo__vouchers where accounting_entry_id = '{uuid(61)}'"
    )
    assert made.rows(unknown) == [(119, "XBT", None)]
    assert made.rows(f"select wallet_amount from pleo__expenses where accounting_entry_id = '{uuid(60)}'") == [(80,)]
    versions = f"select version, amount from pleo__vouchers_to_book where accounting_entry_id = '{uuid(60)}' order by 1"
    assert made.rows(versions) == [(3, 80)]
    names = f"'{uuid(10, 1).upper()}', '{uuid(60).upper()}', 'JE-60'"
    recorded = f"insert into pleo_recorded (job_id, accounting_entry_id, external_id) values ({names})"
    assert made.rows("begin transaction", recorded, versions) == [(2, -70), (3, 80)]
    # A wallet that nothing has moved has a balance, too.
    values = f"'{COMPANY.upper()}', 'SEK', date '2026-11-06', 10"
    given = f"insert into pleo_balances (company_id, currency, balance_date, balance) values ({values})"
    unmoved = f"{checks}'wallet' and currency = 'SEK'"
    assert made.rows("begin transaction", given, unmoved) == [(None, "2026-11-06", 0, 10, "differs")]
    _statuses_that_come_later(made)


def _statuses_that_come_later(made: Warehouse) -> None:
    staged = "select staged_in from stg_pleo__export_job_items where accounting_entry_id = "
    before = made.rows(f"{staged}'{uuid(57)}' order by job_id")
    load = Load()
    for job in (1, 2):
        load.status(job, uuid(57), "pending")
    # Another integration reports the booking of the job that is current when it exports the item.
    later = (NOW + timedelta(days=1)).isoformat()
    for number, job in ((62, 1), (63, 2)):
        load.status(job, uuid(number), "successful", externalId=f"X-{number}", exportedAt=later)
    # The first booking is recorded, not the one that Pleo fails; a row may name the entry, too.
    names = f"'{uuid(65)}/expense/1', '{uuid(2, 1)}', '{uuid(65)}', 'JE-65'"
    made.rows(f"insert into pleo_recorded (voucher_id, job_id, accounting_entry_id, external_id) values ({names})")
    load.status(2, uuid(65), "failed", failureReasonType=CLOSED)
    build(made, load)
    kinds = f"select kind from pleo__vouchers where accounting_entry_id = '{uuid(65)}' order by version"
    assert made.rows(kinds) == [("booking",), ("reversal",)] * 2
    # A status that comes again costs no build of its entry.
    assert made.rows(f"{staged}'{uuid(57)}' order by job_id") == before
    waiting = "select accounting_entry_id, version from pleo__vouchers_to_book order by 1, 2"
    found = [(entry, version) for entry, version in made.rows(waiting) if entry in {uuid(62), uuid(63)}]
    assert found == []
