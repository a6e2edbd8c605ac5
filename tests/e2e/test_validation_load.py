"""The validation mapper with the real Meltano: verdicts in PostgreSQL, updates in files."""

from __future__ import annotations

import csv
import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sandbox import Sandbox
from tests.conftest import BIN
from tests.helpers.guides import printed
from tools.expectation import expected_items, loaded_keys, loaded_sums, wallet_sums
from tools.meltano import MeltanoProject
from tools.postgres import SCHEMA, Postgres

# Settlements and transfers have no category; a fee and a cashback have an account to fall back on.
BOOKED_BY_LINE = {
    *("card_invoice", "card_purchase", "chargeback", "invoice", "mileage", "out_of_pocket", "per_diem", "refund")
}


def test_items_arrive_with_verdict_and_amount(
    postgres: Postgres, database: str, new_project: Callable[..., MeltanoProject], tmp_path: Path
) -> None:
    with Sandbox.demo() as sandbox:
        project = new_project(sandbox, TARGET_POSTGRES_SQLALCHEMY_URL=postgres.url(database))
        log = project.run("run", "tap-pleo-export", "pleo-validate", "target-postgres")
        items = expected_items(sandbox)
    assert project.returncode == 0, "".join(line.raw for line in log)

    with postgres.connect(database) as connection:
        assert loaded_keys(connection, "export_items") == Counter(items.keys())
        assert loaded_sums(connection) == wallet_sums(items.values())
        without_account = {
            item["accountingEntryId"]
            for item in items.values()
            if item["type"] in BOOKED_BY_LINE and item["amount"]["inWalletCurrency"]["value"]
            if not item["accountingEntryLines"]
            or any(
                not (line["account"] or {}).get("code") and not (line["account"] or {}).get("identifier")
                for line in item["accountingEntryLines"]
            )
        }
        failed = connection.execute(
            """
            SELECT "accountingEntryId" FROM export_items CROSS JOIN unnest("validationChecks") AS finding
            WHERE finding->>'check' = 'expense_gl_account' AND finding->>'status' = 'failed'
            """
        )
        assert without_account
        assert {entry for (entry,) in failed} == without_account
        verdicts = connection.execute(
            'SELECT "validationStatus", bool_and("validationFailureReason" IS NULL) FROM export_items GROUP BY 1'
        )
        assert dict(verdicts.fetchall()) == {"passed": True, "failed": False}
        states = connection.execute(
            """
            SELECT lower("jobId"), lower("accountingEntryId"),
                   CASE "validationStatus" WHEN 'failed' THEN 'blocked' ELSE 'ready' END FROM export_items
            UNION ALL
            SELECT lower("exportJobId"), lower("accountingEntryId"),
                   CASE status WHEN 'successful' THEN 'recorded' WHEN 'failed' THEN 'refused earlier' END
            FROM export_job_items AS listed WHERE lower("accountingEntryId") NOT IN
            (SELECT lower("accountingEntryId") FROM export_items WHERE lower("jobId") = lower(listed."exportJobId"))
            """
        )
        assert report_of(postgres, database, tmp_path) == Counter(states.fetchall())
        connection.execute("SET search_path TO public")
        for query in filter(str.strip, printed("validation.md", "In PostgreSQL").split(";")):
            assert connection.execute(query.encode()).fetchall(), query


def report_of(postgres: Postgres, database: str, folder: Path) -> Counter[tuple[str, str, str]]:
    """Return job, entry and state of each item in `pleo-export-report`'s CSV."""
    table = folder / "report.csv"
    subprocess.run(
        [BIN / "pleo-export-report", "--sqlalchemy-url", postgres.url(database), "--schema", SCHEMA, "--csv", table],
        check=True,
        capture_output=True,
    )
    with table.open(encoding="utf-8-sig", newline="") as file:
        return Counter((row["job"], row["accounting entry"], row["state"]) for row in csv.DictReader(file))


def test_the_failures_mapping_emits_only_updates(tmp_path: Path, new_project: Callable[..., MeltanoProject]) -> None:
    with Sandbox.demo() as sandbox:
        project = new_project(sandbox, TARGET_JSONL_DESTINATION_PATH=str(tmp_path))
        log = project.run("run", "tap-pleo-export", "pleo-failures", "target-jsonl")
        items = expected_items(sandbox)
    assert project.returncode == 0, "".join(line.raw for line in log)

    assert [path.name for path in tmp_path.iterdir()] == ["export_job_item_updates.jsonl"]
    updates = [json.loads(line) for line in (tmp_path / "export_job_item_updates.jsonl").read_bytes().splitlines()]
    keys = [(update["jobId"], update["accountingEntryId"]) for update in updates]
    assert len(set(keys)) == len(keys) > 0
    assert set(keys) <= items.keys()
    assert {update["status"] for update in updates} == {"failed"}
    assert all(update["failureReason"] and update["failureReasonType"] for update in updates)
