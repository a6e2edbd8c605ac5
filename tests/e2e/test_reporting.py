"""Reporting back with the real Meltano: failed items, and result files of an accounting system."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from demo.report import failing, sent
from sandbox import Sandbox
from tools.meltano import LogLine, MeltanoProject
from tools.postgres import Postgres

REPORT = ("tap-pleo-export", "pleo-failures", "target-pleo-export")


def writing(sandbox: Sandbox, **settings: str) -> dict[str, str]:
    """Return the settings that let the target write to a sandbox."""
    credentials = {"API_URL": sandbox.url, "API_KEY": sandbox.api_key}
    return {f"TARGET_PLEO_EXPORT_{name}": value for name, value in (credentials | settings).items()}


def last_words(log: list[LogLine]) -> list[str]:
    """Return the target's own lines."""
    return [line.text for line in log if line.source == "target-pleo-export" and "accepted" in line.text]


def test_failing_items_are_marked_once_with_their_reasons(new_project: Callable[..., MeltanoProject]) -> None:
    with Sandbox.demo() as sandbox:
        project = new_project(sandbox, **writing(sandbox))
        before = failing(sandbox)
        log = project.run("run", *REPORT)
        assert project.returncode == 0, "".join(line.raw for line in log)
        marked = failing(sandbox) - before
        requests = sent(sandbox)

        again = project.run("run", *REPORT)
        assert project.returncode == 0, "".join(line.raw for line in again)
        assert sent(sandbox) == requests
        outcomes = {entry.lower(): said for job in sandbox.jobs.values() for entry, said in job.outcomes.items()}
        assert not sandbox.requests_to("/v3/export-job-events")

    assert last_words(log) == [f"{len(marked)} accepted, 0 already reported, 0 refused, 0 unsent; events: none"]
    assert marked
    for _, entry in marked:
        assert outcomes[entry]["failureReasonType"] in {"missing_configuration", "vendor_unknown"}
        assert outcomes[entry]["failureReason"]


def test_load_then_report_in_one_run(
    postgres: Postgres, database: str, new_project: Callable[..., MeltanoProject]
) -> None:
    with Sandbox.demo() as sandbox:
        before = failing(sandbox)
        project = new_project(
            sandbox,
            **writing(sandbox),
            TARGET_POSTGRES_SQLALCHEMY_URL=postgres.url(database),
            TAP_PLEO_EXPORT_ITEM_STATUSES='["pending", "in_progress", "failed"]',
        )
        log = project.run("run", "pleo-load-and-report")
        assert project.returncode == 0, "".join(line.raw for line in log)
        marked = failing(sandbox) - before

    with postgres.connect(database) as connection:
        loaded = connection.execute(
            """
            SELECT lower("jobId"), lower("accountingEntryId") FROM export_items
            WHERE "validationStatus" = 'failed' AND "itemStatus" <> 'failed'
            """
        ).fetchall()
    assert marked
    assert marked == {(job, entry) for job, entry in loaded}


def test_result_files_complete_a_job_once(tmp_path: Path, new_project: Callable[..., MeltanoProject]) -> None:
    with Sandbox() as sandbox:
        job = sandbox.add_job(items=3)
        entries = list(job.item_statuses)
        booked = [{"status": "successful", "externalId": f"V-{number}"} for number in range(2)]
        blocked = {"failureReasonType": "vendor_unknown", "failureReason": "Vendor 1234 is blocked"}
        results = [*booked, {"status": "failed"} | blocked]
        lines = [
            json.dumps({"jobId": job.id, "accountingEntryId": entry} | result)
            for entry, result in zip(entries, results, strict=True)
        ]
        (tmp_path / "results.jsonl").write_text("".join(f"{line}\n" for line in lines))
        project = new_project(
            sandbox,
            **writing(sandbox, COMPLETE_JOBS="true", START_JOBS="true"),
            TAP_JSONL_PATH=str(tmp_path / "*.jsonl"),
        )
        for _ in range(2):
            log = project.run("run", "tap-jsonl", "target-pleo-export")
            assert project.returncode == 0, "".join(line.raw for line in log)
        events = [request.json["event"] for request in sandbox.requests_to("/v3/export-job-events")]

        assert events == ["started", "completed_with_errors"]
        assert job.record["status"] == "completed_with_errors"
        assert job.item_statuses == dict(zip(entries, ["successful", "successful", "failed"], strict=True))
        assert [job.outcomes[entry].get("externalId") for entry in entries] == ["V-0", "V-1", None]
        assert sent(sandbox) == 1
