"""The package beside the usual way: other projects, loads without the mapper, what does not fit; and its document."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from sandbox import Sandbox
from tests.helpers.warehouse import Warehouse, load
from tools.meltano import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from tools.postgres import Postgres

# The first test of a database also loads it and builds the models.
pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(900)]
DIGITS = "1234567890123456789.123456789012"
DOCUMENT = (CHECKOUT / "docs" / "warehouse.md").read_text("utf-8")
QUESTIONS = re.findall(r"### ([^\n]*\?)\n.*?```sql\n(.*?)```\n\n\| (.*?) \|\n", DOCUMENT, re.DOTALL)


def test_the_document_asks_five_questions() -> None:
    assert len(QUESTIONS) == 5


@pytest.mark.parametrize(("query", "head"), [question[1:] for question in QUESTIONS], ids=[q[0] for q in QUESTIONS])
def test_documented_queries_return_rows(warehouse: Warehouse, query: str, head: str) -> None:
    rows = warehouse.rows(query)

    assert rows
    assert {len(row) for row in rows} == {len(head.split(" | "))}


def test_the_outbox_drops_reported_updates(warehouse: Warehouse) -> None:
    book = (
        "insert into pleo_recorded select distinct job_id, upper(accounting_entry_id), 'JE-1', null, "
        "timestamp with time zone '2026-01-02 03:04:05+00' from pleo__journal_entries"
    )
    waiting = (
        'select status, count(*), min("externalId"), min("exportedAt") from pleo__item_updates '
        "group by status order by status"
    )
    known = (
        "select count(*) from pleo__journal_entries where leg = 'counter' and accounting_entry_id in "
        "(select accounting_entry_id from pleo__expenses where pleo_status = 'successful')"
    )
    ((booked,),) = warehouse.rows("select count(distinct accounting_entry_id) from pleo__journal_entries")
    ((settled,),) = warehouse.rows(known)
    before = warehouse.rows("begin transaction", "delete from pleo_recorded", waiting)
    after = warehouse.rows("begin transaction", "delete from pleo_recorded", book, waiting)

    assert [row[0] for row in before] == ["failed"]
    assert after == [*before, ("successful", booked - settled, "JE-1", "2026-01-02T03:04:05.000000Z")]


def test_models_build_without_the_mapper(server: Postgres, tmp_path: Path) -> None:
    server.create_database("unjudged")
    with Sandbox() as pleo:
        pleo.add_job(items=5)
        files = load(pleo, server, "unjudged", tmp_path, None)
    made = Warehouse("postgres", tmp_path, server, "unjudged", files)
    done = made.dbt("build", "--exclude-resource-type", "unit_test")

    assert done.returncode == 0, done.stdout
    assert made.rows("select count(*), count(validation_status) from pleo__expenses") == [(5, 0)]
    assert made.rows("select reason, count(*) from pleo__unposted_items group by 1") == [("no_counter_account", 5)]
    assert made.rows("select count(*) from pleo__journal_entries") == [(0,)]


def test_numbers_too_long_for_duckdb_fail_the_build(server: Postgres, tmp_path: Path) -> None:
    money = {"currency": "EUR", "value": "AMOUNT"}
    amount = {"inWalletCurrency": money, "inSupplierCurrency": money}
    line = {"accountingEntryLineId": "l", "lineAmount": amount, "netAmount": amount}
    item = {"jobId": "j", "accountingEntryId": "e", "amount": amount, "accountingEntryLines": [line]}
    rows = {"export_jobs": {"id": "j"}, "export_job_items": {"exportJobId": "j", "accountingEntryId": "e"}}
    made = Warehouse("duckdb", tmp_path, server, "postgres", tmp_path)
    codes, read = [], []
    for value in (DIGITS, "0.1234567890123", "1" + "0" * 30):
        for stream, row in (rows | {"export_items": item}).items():
            text = json.dumps(row).replace('"AMOUNT"', value)
            (tmp_path / f"{stream}.jsonl").write_text(f"{text}\n")
        done = made.dbt("build", "--select", "+assert_amounts_keep_every_digit", "--exclude-resource-type", "unit_test")
        codes.append(done.returncode)
        read += made.rows("select wallet_amount_source from stg_pleo__export_items")

    assert codes == [0, 1, 1]
    assert read[0] == (DIGITS,)


def test_integration_project_builds(server: Postgres, tmp_path: Path) -> None:
    (tmp_path / "packages.yml").write_text(f"packages:\n- local: {CHECKOUT / 'transform'}\n")
    project = {
        "name": "books",
        "version": "1.0.0",
        "profile": "pleo_export",
        "vars": {"pleo_export": {"pleo_schema": "raw"}},
    }
    (tmp_path / "dbt_project.yml").write_text(json.dumps(project))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "totals.sql").write_text(
        "select sum(amount) as amount from {{ ref('pleo__journal_entries') }}"
    )
    made = Warehouse("postgres", tmp_path, server, "postgres", tmp_path)
    for command in ("deps", "parse"):
        done = made.dbt(command, project=tmp_path)
        assert done.returncode == 0, done.stdout
    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())

    assert manifest["nodes"]["model.books.totals"]["depends_on"]["nodes"] == ["model.pleo_export.pleo__journal_entries"]
    assert manifest["sources"]["source.pleo_export.pleo.export_items"]["schema"] == "raw"
