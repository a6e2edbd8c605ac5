"""Odd names, currencies, calendars and ids; developers with a schema each; dbt's other commands."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.helpers.voucher_records import Load, item, line, uuid
from tests.helpers.warehouse import Warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from tools.postgres import Postgres

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(900)]
SOURCE = "Löads of-Pleo"
CURRENCIES = {"XBT": 8, "GWEI": "9", "X0": 0, "KWD": 2, "O'R": 1, "JPY": 3}
AMOUNTS = {
    "XBT": (12345678, "0.12345678"),
    "GWEI": (123456789, "0.123456789"),
    "X0": (7, "7"),
    "KWD": (1500, "15"),
    "O'R": (5, "0.5"),
    "JPY": (-1234, "-1.234"),
    "EUR": (11900, "119"),
}
GROUPS = {"Kosten stelle": "COST CENTRE", "order": 7, "部門" * 10: "部門" * 60, "x" * 63: "O'Brien"}
VARS = {
    "pleo_schema": SOURCE,
    "pleo_currency_exponents": CURRENCIES,
    "pleo_tag_columns": GROUPS,
    "pleo_time_zones": {"*": "Europe/Copenhagen", "No such company": "Asia/Tokyo"},
}
DAYS = {
    "2025-12-31T22:59:59Z": "2025-12-31",
    "2025-12-31T23:30:00Z": "2026-01-01",
    "2026-01-01T00:30:00+01:00": "2026-01-01",
    "2026-07-01T21:59:00Z": "2026-07-01",
    "2026-07-01T22:00:00Z": "2026-07-02",
    "2025-12-31": "2025-12-31",
}


def odd_world() -> Load:
    """Return items 1 to 7 by currency, 11 to 16 by day, and 20 with tags."""
    load = Load()
    load.job(1)
    for number, (currency, (amount, _)) in enumerate(AMOUNTS.items(), 1):
        load.deliver(1, item(number, amount=amount, currency=currency))
    for number, moment in enumerate(DAYS, 11):
        load.deliver(1, item(number, date=moment))
    tags = [{"groupCode": str(group), "code": f"T{place}"} for place, group in enumerate(GROUPS.values())]
    load.deliver(1, item(20, accountingEntryLines=[line(11900, tags=tags)]))
    return load


def build(made: Warehouse, load: Load) -> str:
    """Load into a schema with an odd name, which only PostgreSQL has, and build."""
    if made.kind == "duckdb":
        load.into(made)
        return made.build("--vars", json.dumps(VARS))
    with made.server.connect(made.database) as connection:
        connection.execute(
            f'do $$ begin alter schema "{SOURCE}" rename to pleo; exception when others then null; end $$'
        )
    load.into(made)
    with made.server.connect(made.database) as connection:
        connection.execute(f'alter schema pleo rename to "{SOURCE}"')
    return made.build("--vars", json.dumps(VARS))


@pytest.mark.parametrize(("kind", "schema"), [("duckdb", "user"), ("postgres", "Pléo models-2")])
def test_odd_names_currencies_calendars_and_ids(server: Postgres, tmp_path: Path, kind: str, schema: str) -> None:
    server.create_database(f"odd_{kind}")
    made = Warehouse(kind, tmp_path, server, f"odd_{kind}", tmp_path, schema=schema)
    build(made, odd_world())

    legs = (
        "select currency, sum(debit), sum(credit) from pleo__voucher_lines inner join pleo__vouchers using (voucher_id)"
    )
    found = made.rows(f"{legs} where currency <> 'EUR' group by currency")
    absolute = {currency: abs(Decimal(major)) for currency, (_, major) in AMOUNTS.items() if currency != "EUR"}
    assert {currency: (debit, credit) for currency, debit, credit in found} == {
        currency: (major, major) for currency, major in absolute.items()
    }
    expenses = made.rows("select accounting_entry_id, wallet_amount, entry_date from pleo__expenses")
    amounts = {entry: amount for entry, amount, _ in expenses}
    days = {entry: day for entry, _, day in expenses}
    booked = dict(made.rows("select accounting_entry_id, voucher_date from pleo__vouchers"))
    assert [amounts[uuid(number)] for number in range(1, 8)] == [Decimal(major) for _, major in AMOUNTS.values()]
    assert [days[uuid(number)] for number in range(11, 17)] == list(DAYS.values())
    assert [booked[uuid(number)] for number in range(11, 17)] == list(DAYS.values())
    columns = ", ".join(f'"{name}"' for name in GROUPS)
    tagged = made.rows(f"select {columns} from pleo__accounting_entry_lines where accounting_entry_id = '{uuid(20)}'")
    assert tagged == [("T0", "T1", "T2", "T3")]

    # A later load has the ids in upper case and another amount: one row, and the newest counts.
    load = Load()
    load.job(1, id=uuid(1, 1).upper(), status="pending")
    load.deliver(1, item(7, amount=500) | {"accountingEntryId": uuid(7).upper(), "jobId": uuid(1, 1).upper()})
    build(made, load)
    entry = f"where accounting_entry_id = '{uuid(7)}'"
    assert made.rows(f"select wallet_amount, number_of_jobs from pleo__expenses {entry}") == [(5, 1)]
    assert made.rows(f"select count(*) from pleo__accounting_entry_lines {entry}") == [(1,)]
    assert made.rows(f"select sum(amount) from pleo__voucher_lines {entry} and role = 'line'") == [(5,)]
    progress = "select job_id, status, listed_items, loaded_items from pleo__export_job_progress"
    assert made.rows(progress) == [(uuid(1, 1), "pending", 14, 14)]


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("pleo_currency_exponents", {"XBT": 19}, "XBT has the exponent '19'; write a whole number from 0 to 18"),
        ("pleo_currency_exponents", {"XBT": -1}, "XBT has the exponent '-1'"),
        ("pleo_tag_columns", {"x" * 64: "A"}, "cannot be a column; write at most 63 bytes, without quotes"),
        ("pleo_tag_columns", {'a"b': "A"}, "cannot be a column"),
    ],
)
def test_impossible_settings_are_refused(
    server: Postgres, tmp_path: Path, variable: str, value: object, problem: str
) -> None:
    done = Warehouse("duckdb", tmp_path, server, "postgres", tmp_path).dbt(
        "parse", "--vars", json.dumps({variable: value})
    )
    assert done.returncode != 0
    assert problem in done.stdout


def test_developers_with_a_schema_each(server: Postgres, tmp_path: Path) -> None:
    load = Load()
    load.job(1)
    load.deliver(1, item(1))
    load.into_files(tmp_path)
    anna, bob = (Warehouse("duckdb", tmp_path, server, "postgres", tmp_path, schema=name) for name in ("anna", "bob"))
    shared = ("--vars", json.dumps({"pleo_recorded_schema": "books"}))
    for command in ("compile", "build --empty"):
        done = anna.dbt(*command.split(), *shared)
        assert done.returncode == 0, done.stdout
    anna.build(*shared)
    anna.rows("insert into books.pleo_recorded (voucher_id) select voucher_id from pleo__vouchers", "select 1")

    # Bob's models of Anna's data: with hers in place of those that he does not build, then all.
    shutil.copytree(tmp_path / "target", tmp_path / "anna")
    defer = ("--defer", "--state", str(tmp_path / "anna"), "--select", "pleo__sign_census")
    bob.build(*shared, *defer, "--exclude-resource-type", "test")
    assert bob.rows("select plus from pleo__sign_census") == [(1,)]
    bob.build(*shared)

    load = Load()
    load.deliver(1, item(2))
    load.into_files(tmp_path)
    for developer in (anna, bob):
        developer.build(*shared)
        assert developer.rows("select count(*) from pleo__expenses") == [(2,)]
        assert developer.rows("select voucher_id from pleo__vouchers_to_book") == [(f"{uuid(2)}/expense/1",)]


def test_a_flattened_table_is_refused_in_one_line(server: Postgres, tmp_path: Path) -> None:
    server.create_database("flattened")
    made = Warehouse("postgres", tmp_path, server, "flattened", tmp_path)
    load = Load()
    load.job(1)
    load.deliver(1, item(1))
    load.into(made)
    with server.connect("flattened") as connection:
        connection.execute('alter table pleo.export_items rename column amount to "amount__inWalletCurrency"')

    built = made.dbt("build")

    assert built.returncode == 1
    said = "export_items has the column 'amount__inWalletCurrency' instead of 'amount': load it without flattening"
    assert said in built.stdout
