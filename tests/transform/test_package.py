"""The package in other projects, without the mapper, with numbers too long for DuckDB; and its documented queries."""

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
QUERIES = re.findall(r"### ([^\n]*\?)\n.*?```sql\n(.*?)```\n\n\| (.*?) \|\n", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize(("query", "head"), [query[1:] for query in QUERIES], ids=[query[0] for query in QUERIES])
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
    project = CHECKOUT / "transform" / "integration_tests"
    made = Warehouse("duckdb", tmp_path, server, "postgres", project / "data")
    for command in (["deps"], ["build", "--exclude", "package:pleo_export,resource_type:unit_test"]):
        done = made.dbt(*command, project=project)
        assert done.returncode == 0, done.stdout
    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())

    assert "assert_spend_is_as_expected" in done.stdout
    assert manifest["sources"]["source.pleo_export.pleo.export_items"]["schema"] == "raw"
