"""The package in other projects, without the mapper, with numbers too long for DuckDB; and its documented queries."""

from __future__ import annotations

import functools
import json
import re
import shutil
import threading
from decimal import Decimal
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.helpers.guides import all_printed, printed
from tests.helpers.voucher_records import Load, item, uuid
from tests.helpers.warehouse import MODELS, Warehouse, load
from tests.transform.read_rows import check as check_rows
from tools.meltano import CHECKOUT
from tools.postgres import Postgres
from tools.release import dbt_archive

# The first test of a database also loads it and builds the models.
pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(900)]
DIGITS = "1234567890123456789.123456789012"
DOCUMENT = (CHECKOUT / "docs" / "warehouse.md").read_text("utf-8")
BROKEN = (
    b"\xef\xbb\xbf\n",
    b'{"jobId": "torn\n',
    '{"note": "ü'.encode()[:-1] + b"\n",
    b'{"jobId": "torn{"jobId": "j", "accountingEntryId": "e"}\n',
    b'{"jobId": "j", "accountingEntryId": "e", "note": "\x01"}\n',
    b'{"jobId": "j", "accountingEntryId": null}\n',
    b"\x00" * 9 + b"\n",
    b"42\n",
    b"[]\n",
)
"""After an empty line: lines that are not a record."""
RESULTS = re.findall(r"```sql\n.*?```\n\n(\|.*?\n)\n", DOCUMENT, re.DOTALL)
QUERIES = list(zip(all_printed("warehouse.md", "sql"), RESULTS, strict=True))


@pytest.mark.parametrize(("query", "table"), QUERIES)
def test_documented_queries_have_the_documented_results(accountant: Warehouse, query: str, table: str) -> None:
    _, _, *documented = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]

    assert [[shown(value) for value in row] for row in accountant.rows(query)] == documented


def test_a_type_with_one_sign_has_not_both(accountant: Warehouse) -> None:
    query = (
        "select plus, minus, has_both_signs from pleo__sign_census where type in ('refund', 'wallet_topup') order by 1"
    )
    assert accountant.rows(query) == [(0, 1, False), (1, 0, False)]


def shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    return "" if value is None else str(value)


def test_models_build_without_the_mapper(server: Postgres, tmp_path: Path) -> None:
    server.create_database("unjudged")
    with Sandbox() as pleo:
        pleo.add_job(items=5)
        files = load(pleo, server, "unjudged", tmp_path, None)
    made = Warehouse("postgres", tmp_path, server, "unjudged", files)
    made.build()

    assert made.rows("select count(*), count(validation_status) from pleo__expenses") == [(5, 0)]
    assert made.rows("select reason, count(*) from pleo__not_booked group by 1") == [("not_validated", 5)]
    assert made.rows("select count(*) from pleo__vouchers") == [(0,)]


def test_numbers_too_long_for_duckdb_fail_the_build(server: Postgres, tmp_path: Path) -> None:
    money = {"currency": "EUR", "value": "AMOUNT"}
    amount = {"inWalletCurrency": money, "inSupplierCurrency": money}
    line = {"accountingEntryLineId": "l", "lineAmount": amount, "netAmount": amount}
    record = {"jobId": "j", "accountingEntryId": "e", "amount": amount, "accountingEntryLines": [line]}
    rows = {"export_jobs": {"id": "j"}, "export_job_items": {"exportJobId": "j", "accountingEntryId": "e"}}
    made = Warehouse("duckdb", tmp_path, server, "postgres", tmp_path)
    codes, read = [], []
    for value in (DIGITS, "0.1234567890123", "1" + "0" * 30):
        for stream, row in (rows | {"export_items": record}).items():
            text = json.dumps(row).replace('"AMOUNT"', value)
            (tmp_path / f"{stream}.jsonl").write_text(f"{text}\n")
        done = made.dbt("build", "--select", "+assert_amounts_keep_every_digit", "--indirect-selection", "cautious")
        codes.append(done.returncode)
        read += made.rows("select wallet_amount_source from stg_pleo__export_items")

    assert codes == [0, 1, 1]
    assert read[0] == (DIGITS,)


def test_integration_project_builds(server: Postgres, tmp_path: Path) -> None:
    project = CHECKOUT / "transform" / "integration_tests"
    made = Warehouse("duckdb", tmp_path, server, "postgres", project / "data")
    for command in (["deps"], ["build", "--exclude", "package:pleo_export,resource_type:unit_test"]):
        done = made.command(*command, project=project)
        assert done.returncode == 0, done.stdout
    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())

    assert "assert_spend_is_as_expected" in done.stdout
    assert manifest["sources"]["source.pleo_export.pleo.export_items"]["schema"] == "raw"


def test_the_documented_project_parses(server: Postgres, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    packages = printed("warehouse.md", "packages.yml").replace("path/to/the/checkout", str(CHECKOUT))
    (project / "packages.yml").write_text(packages)
    own = "name: mine\nversion: 1.0.0\nconfig-version: 2\nprofile: pleo_export\n"
    (project / "dbt_project.yml").write_text(own + printed("warehouse.md", "dbt_project.yml"))
    made = Warehouse("postgres", tmp_path, server, "postgres", tmp_path)
    for command in ("deps", "parse"):
        done = made.command(command, project=project)
        assert done.returncode == 0, done.stdout
    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())

    assert manifest["sources"]["source.pleo_export.pleo.export_items"]["schema"] == "pleo"
    assert manifest["nodes"]["model.pleo_export.pleo__vouchers"]["schema"] == "pleo_models_pleo"
    assert manifest["sources"]["source.pleo_export.pleo_export.pleo_recorded"]["schema"] == "books"


def test_dbt_installs_the_archive_of_a_release(server: Postgres, tmp_path: Path) -> None:
    archive = dbt_archive(tmp_path)
    project = tmp_path / "project"
    shutil.copytree(CHECKOUT / "transform" / "integration_tests", project, ignore=shutil.ignore_patterns("dbt_*s"))
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    made = Warehouse("duckdb", tmp_path, server, "postgres", project / "data")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{served.server_port}/{archive.name}"
        (project / "packages.yml").write_text(f"packages: [{{tarball: '{url}', name: pleo_export}}]\n")
        outputs = [made.command(command, project=project) for command in ("deps", "parse")]
        served.shutdown()

    assert [done.returncode for done in outputs] == [0, 0], [done.stdout for done in outputs]
    assert f"Installed from tarball (url: {url})" in outputs[0].stdout
    package = project / "dbt_packages" / "pleo_export"
    assert (package / "models" / "marts" / "books" / "pleo__vouchers.sql").exists()
    assert not (package / "integration_tests").exists()


def test_a_role_that_owns_a_schema_with_any_name_builds(server: Postgres, tmp_path: Path) -> None:
    server.create_database("roles")
    load = Load()
    load.job(1)
    load.deliver(1, item(1))
    load.into_postgres(server, "roles")
    with server.connect("roles") as connection:
        connection.execute("create role transformer login")
        connection.execute('create schema "Order" authorization transformer')
        connection.execute("grant usage on schema pleo to transformer")
        connection.execute("grant select on all tables in schema pleo to transformer")
    made = Warehouse("postgres", tmp_path, server, "roles", tmp_path, schema="Order", user="transformer")
    made.build("--empty")
    assert made.rows("select count(*) from pleo__vouchers") == [(0,)]
    made.build()
    assert made.rows("select voucher_id from pleo__vouchers") == [(f"{uuid(1)}/expense/1",)]
    # A full refresh recomputes everything except published vouchers.
    made.build("--full-refresh")
    assert made.rows("select count(*) from pleo__vouchers") == [(1,)]
    assert made.rows("select count(*) from pleo__voucher_lines") == [(2,)]
    # An empty build removes nothing.
    made.build("--empty")
    assert made.rows("select count(*) from pleo__expenses") == [(1,)]


def test_files_that_are_missing_torn_or_replaced(server: Postgres, tmp_path: Path) -> None:
    made = Warehouse("duckdb", tmp_path, server, "postgres", tmp_path, schema="pleo-models")
    made.build()
    assert made.rows("select count(*) from pleo__expenses") == [(0,)]

    load = Load()
    load.job(1)
    load.deliver(1, item(1))
    load.into_files(tmp_path)
    with (tmp_path / "export_items.jsonl").open("a") as file:
        file.write('{"jobId": "torn')
    made.build()
    with (tmp_path / "export_items.jsonl").open("a") as file:
        file.write("\n")
    load = Load()
    load.deliver(1, item(2))
    load.into_files(tmp_path)
    assert "WARN 1 pleo_lines_are_valid" in made.build()
    assert made.rows("select count(*) from pleo__expenses") == [(2,)]

    # Another file: empty, then with what crashes and other programs leave behind.
    (tmp_path / "export_items.jsonl").write_bytes(b"")
    made.build()
    assert made.rows("select count(*) from pleo__expenses") == [(2,)]
    (tmp_path / "export_items.jsonl").write_bytes(b"".join(BROKEN))
    load = Load()
    load.deliver(1, item(1, amount=500))
    load.deliver(1, item(3, note="ü"))
    load.into_files(tmp_path)
    (tmp_path / "export_jobs.jsonl").write_bytes((tmp_path / "export_jobs.jsonl").read_bytes().replace(b"\n", b"\r\n"))
    output = made.build()
    assert (
        f"export_items.jsonl: left out {len(BROKEN) - 1} lines that are not a record, the first is number 2" in output
    )
    assert "torn" not in output
    assert made.rows("select count(*), sum(wallet_amount) from pleo__expenses") == [(3, 5 + 119 + 119)]


@pytest.mark.parametrize("model", MODELS)
def test_rows_of_the_accountants_world(accountant: Warehouse, model: str) -> None:
    check_rows(accountant, "accountant", model)
