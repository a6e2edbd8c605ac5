"""From the models through DATEV files to the outbox, with an entry that changes while its file is not confirmed yet."""

from __future__ import annotations

import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import BIN, TIMEOUT
from tests.helpers import accountant_world, datev_fields
from tests.helpers.accountant_world import ITEMS
from tests.helpers.voucher_records import COMPANY, Load, item
from tests.helpers.warehouse import Warehouse
from tools import postgres as pg

pytestmark = pytest.mark.ledger

CONFIG = """
[datev]
consultant = 29098
client = 55003
tax_keys = {T7 = ""}
"""
BALANCES = """
    select coalesce(lines.account_code, lines.account_identifier), sum(lines.amount)
    from pleo__voucher_lines as lines group by 1 having sum(lines.amount) <> 0
"""
UPDATES = 'select "accountingEntryId", status, "externalId" from pleo__item_updates'


@pytest.fixture
def made(server: pg.Postgres, tmp_path: Path) -> Warehouse:
    (tmp_path / "files.toml").write_text(CONFIG)
    server.create_database("accountant_files")
    return Warehouse("postgres", tmp_path, server, "accountant_files", tmp_path)


def load(made: Warehouse, records: Load) -> None:
    records.into(made)
    made.build("--exclude-resource-type", "test")


def files(made: Warehouse, *arguments: str) -> None:
    environment = os.environ | {"PLEO_EXPORT_BOOKS_DATABASE_URL": made.server.url(made.database)}
    command = [str(BIN / "pleo-export-files"), *arguments]
    done = subprocess.run(
        command, env=environment, cwd=made.folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr.partition("METRIC: ")[2])["tags"].get("refused", 0) == 0, done.stderr


def write(made: Warehouse, *months: str) -> None:
    for month in months:
        where = ("--period", month, "--output", "files", "--config", "files.toml")
        files(made, "--format", "datev", "--company", COMPANY, *where)


def changed_flight() -> Load:
    again = Load()
    again.job(2)
    cheaper = ITEMS["flight"] | {"amount": item(3, amount=20000)["amount"]}
    lines = [accountant_world.taxed(20000, 4000, "7310", "T25")]
    again.deliver(2, cheaper | {"accountingEntryLines": lines})
    return again


def test_files_are_confirmed_and_reported(made: Warehouse) -> None:
    october, november, later = (f"EXTF_Pleo_12abc3d4_{name}.csv" for name in ("2026-10_1", "2026-11_1", "2026-11_2"))
    load(made, accountant_world.first_load())
    write(made, "2026-10", "2026-11")
    load(made, changed_flight())
    assert [row for row in made.rows(UPDATES) if row[2]] == []

    for name in (october, november):
        files(made, "--confirm", name)
    write(made, "2026-11")
    files(made, "--confirm", later)

    assert sorted(path.name for path in (made.folder / "files").iterdir()) == [october, november, later]
    kinds = "select kind from pleo__vouchers join pleo_import_file_vouchers using (voucher_id) where file_name = '{}'"
    assert made.rows(kinds.format(later) + " order by number") == [("reversal",), ("booking",)]
    assert made.rows("select count(*) from pleo__vouchers_to_book") == [(0,)]
    updates = {entry: (status, external) for entry, status, external in made.rows(UPDATES)}
    assert updates[ITEMS["train"]["accountingEntryId"]][1].startswith(f"{october}#")
    assert updates[ITEMS["flight"]["accountingEntryId"]] == ("successful", f"{later}#2")
    assert updates[ITEMS["cancelled"]["accountingEntryId"]] == ("successful", None)
    assert set(updates) == {each["accountingEntryId"] for each in ITEMS.values()}
    assert of_files(made.folder / "files") == {account: Decimal(amount) for account, amount in made.rows(BALANCES)}


def of_files(folder: Path) -> dict[str, Decimal]:
    """Return the balances that all files lead to."""
    sums: dict[str, Decimal] = {}
    for row in (row for path in folder.iterdir() for row in datev_fields.check(path.read_bytes())):
        amount = Decimal(row[0].replace(",", ".")) * (1 if row[1] == "S" else -1)
        for account, change in ((row[6], amount), (row[7], -amount)):
            sums[account] = sums.get(account, Decimal()) + change
    return {account: amount for account, amount in sums.items() if amount}
