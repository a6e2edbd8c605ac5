"""Updates from result files and from a table, over runs between which their members change."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.books import outbox_settings
from sandbox import Sandbox
from sandbox.jobs import Job
from tests.conftest import CHECKOUT
from tests.e2e.test_reporting import last_words, writing
from tests.helpers.guides import printed
from tools.meltano import MELTANO, LogLine, MeltanoProject
from tools.postgres import Postgres

REASON = {"failureReasonType": "vendor_unknown", "failureReason": "Vendor 1234 is blocked"}


def lines(job: Job, numbers: range, status: str = "successful", **members: Any) -> str:
    entries = list(job.item_statuses)
    return "".join(
        json.dumps({"jobId": job.id, "accountingEntryId": entries[number], "status": status} | members) + "\n"
        for number in numbers
    )


def report(project: MeltanoProject) -> tuple[int, list[str], list[LogLine]]:
    """Run the script of docs/workflow.md; return its exit code, the target's last line, and the log."""
    done = subprocess.run(
        ["sh", "-c", printed("workflow.md", "report-results.sh")],
        cwd=project.root,
        env=project.environment | {"PATH": f"{Path(MELTANO).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    log = [LogLine.parse(line) for line in (done.stdout + done.stderr).splitlines()]
    return done.returncode, last_words(log), log


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.jsonl"))


def test_result_files_are_reported_once_with_all_members(new_project: Callable[..., MeltanoProject]) -> None:
    with Sandbox() as pleo:
        job = pleo.add_job(items=33, status="in_progress")
        project = new_project(pleo, **writing(pleo, COMPLETE_JOBS="true"))
        results = project.root / "results"
        results.mkdir()

        (results / "0.jsonl").touch()
        empty = report(project)
        (results / "0.jsonl").touch()
        (results / "1.jsonl").write_text(lines(job, range(20)))
        monday = report(project)
        (results / "1.jsonl").write_text(lines(job, range(20, 30)))
        later = lines(job, range(30, 31), externalId="V-1", externalUrl="https://erp.example/1")
        (results / "2.jsonl").write_text(later + lines(job, range(31, 32), "failed", **REASON))
        tuesday = report(project)
        (results / "3.jsonl").write_text(lines(job, range(32, 33)))
        wednesday = report(project)

        outcomes = list(job.outcomes.values())
        status = job.record["status"]

    assert [code for code, *_ in (empty, monday, tuesday, wednesday)] == [0, 0, 0, 0], wednesday
    assert [words[0].partition(" refused")[0] for _, words, _ in (monday, tuesday, wednesday)] == [
        "20 accepted, 0 already reported, 0",
        "12 accepted, 0 already reported, 0",
        "1 accepted, 0 already reported, 0",
    ]
    assert outcomes[30]["externalUrl"] == "https://erp.example/1"
    assert outcomes[31]["failureReasonType"] == REASON["failureReasonType"]
    assert status == "completed_with_errors"
    assert files(results / "done") == ["0.jsonl", "0.jsonl", "1.jsonl", "1.jsonl", "2.jsonl", "3.jsonl"]


def test_a_result_file_with_a_refused_line_stays_until_it_is_corrected(
    new_project: Callable[..., MeltanoProject],
) -> None:
    with Sandbox() as pleo:
        job = pleo.add_job(items=2, status="in_progress")
        project = new_project(pleo, **writing(pleo))
        results = project.root / "results"
        results.mkdir()
        (results / "a.jsonl").write_text(lines(job, range(2)).replace('"successful"', '"booked"', 1))

        code, words, _ = report(project)
        assert (code, files(results / "sending"), files(results / "done")) == (1, ["a.jsonl"], [])
        assert words[0].startswith("1 accepted, 0 already reported, 1 refused")

        (file,) = (results / "sending").rglob("a.jsonl")
        file.write_text(lines(job, range(2)))
        code, words, _ = report(project)

    assert (code, files(results / "sending"), files(results / "done")) == (0, [], ["a.jsonl"])
    assert words[0].startswith("1 accepted, 1 already reported, 0 refused")


def test_a_member_in_the_last_of_many_lines_is_sent(new_project: Callable[..., MeltanoProject]) -> None:
    with Sandbox() as pleo:
        job = pleo.add_job(items=1_102, status="in_progress")
        project = new_project(pleo, **writing(pleo))
        results = project.root / "results"
        results.mkdir()
        (results / "0.jsonl").write_text(lines(job, range(1_100)))
        for number in range(1, 102):
            (results / f"1{number:03}.jsonl").touch()
        (results / "2.jsonl").write_text(lines(job, range(1_100, 1_102), "failed", **REASON))

        code, words, _ = report(project)

    assert (code, words[0].partition(";")[0]) == (0, "1102 accepted, 0 already reported, 0 refused, 0 unsent")


def test_a_table_with_new_columns_is_reported(
    postgres: Postgres, database: str, new_project: Callable[..., MeltanoProject]
) -> None:
    with Sandbox() as pleo:
        job = pleo.add_job(items=2, status="in_progress")
        project = new_project(pleo, **writing(pleo), **outbox_settings(postgres, database))
        one, two = job.item_statuses
        with postgres.connect(database) as connection:
            connection.execute("CREATE SCHEMA pleo_models")
            connection.execute(
                'CREATE TABLE pleo_models.pleo__item_updates ("jobId" text, "accountingEntryId" text, status text)'
            )
            insert = "INSERT INTO pleo_models.pleo__item_updates VALUES"
            connection.execute(f"{insert} (%s, %s, 'successful')", (job.id, one))
            connection.commit()
            first = project.run("run", "pleo-report-outbox")
            assert project.returncode == 0, "".join(line.raw for line in first)
            connection.execute(
                "ALTER TABLE pleo_models.pleo__item_updates"
                ' ADD COLUMN "failureReasonType" text, ADD COLUMN "failureReason" text'
            )
            connection.execute(f"{insert} (%s, %s, 'failed', %s, %s)", (job.id, two, *REASON.values()))
            connection.commit()
            second = project.run("run", "pleo-report-outbox")

        assert project.returncode == 0, "".join(line.raw for line in second)
        assert job.outcomes[two]["failureReason"] == REASON["failureReason"]


@pytest.mark.parametrize("project", ["meltano.yml", "image/meltano.yml"])
def test_no_extractor_uses_a_catalog_of_an_earlier_run(project: str) -> None:
    plugins = yaml.safe_load((CHECKOUT / project).read_text("utf-8"))["plugins"]

    assert [tap["name"] for tap in plugins["extractors"] if tap.get("use_cached_catalog") is not False] == []
