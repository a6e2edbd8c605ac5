"""An entry that several jobs deliver, with its id in upper and lower case: one expense, one booking, one update."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.voucher_records import Load, item, uuid
from tests.helpers.warehouse import Warehouse

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
    load.deliver(1, item(10))
    load.deliver(1, item(11))
    build(made, load)
    made.rows(RECORD)

    load = Load()
    load.job(1, "failed")
    load.job(2)
    load.deliver(2, item(10) | {"accountingEntryId": ENTRY.upper()})
    build(made, load)
    assert made.rows(VOUCHERS) == [(f"{ENTRY}/expense/1",), (f"{OTHER}/expense/1",), (f"{OTHER}/expense/2",)]
    assert made.rows("select voucher_id from pleo__vouchers_to_book") == []
    assert made.rows(UPDATES) == [(uuid(2, 1), ENTRY, "successful", "JE-1")]

    load = Load()
    load.deliver(2, item(10, amount=500))
    build(made, load)
    expenses = "select number_of_jobs, wallet_amount from pleo__expenses"
    assert made.rows(f"{expenses} where accounting_entry_id = '{ENTRY}'") == [(2, 5)]
    assert made.rows(f"{VOUCHERS} limit 3") == [(f"{ENTRY}/expense/{version}",) for version in (1, 2, 3)]
    assert made.rows(UPDATES) == []


@pytest.mark.parametrize("kind", ["postgres", "duckdb"])
@pytest.mark.parametrize("recorded", [True, False], ids=["ours", "of another integration"])
def test_a_booking_that_returns_is_to_be_booked_again(
    server: Postgres, tmp_path: Path, kind: str, recorded: bool
) -> None:
    server.create_database(f"returns_{kind}_{recorded}".lower())
    made = Warehouse(kind, tmp_path, server, f"returns_{kind}_{recorded}".lower(), tmp_path)
    load = Load()
    load.job(1)
    load.deliver(1, item(10))
    build(made, load)
    if recorded:
        made.rows(RECORD)

    load = Load()
    load.status(1, ENTRY, "successful", externalId="JE-1")
    load.job(2)
    load.deliver(2, item(10, amount=500))
    build(made, load)
    reversal, other = (f"{ENTRY}/expense/{version}" for version in (2, 3))
    waiting = "select voucher_id from pleo__vouchers_to_book order by voucher_id"
    assert made.rows(waiting) == [(reversal,), (other,)]

    load = Load()
    load.job(2, "failed", failureReasonType="canceled_by_user")
    build(made, load)
    assert made.rows(waiting) == [(reversal,), (f"{ENTRY}/expense/5",)]
    amount = "select sum(amount) from pleo__voucher_lines where debit <> 0 and voucher_id = "
    assert made.rows(f"{amount}'{ENTRY}/expense/5'") == made.rows(f"{amount}'{ENTRY}/expense/1'")
