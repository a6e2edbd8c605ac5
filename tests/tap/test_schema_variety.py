"""Everything in the varied world of the sandbox arrives as it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.jobs import JOB_STATUSES
from tests.conftest import Outputs
from tests.tap.conftest import RunTap


@pytest.fixture
def pleo(outputs: Outputs) -> Iterator[Sandbox]:
    with Sandbox.holding("varied") as sandbox:
        outputs.secrets |= {sandbox.api_key}
        yield sandbox


def known(record: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Return a record without the members that Pleo did not send."""
    return {name: value for name, value in record.items() if name in sent or value is not None}


def statuses(pleo: Sandbox) -> dict[str, str]:
    return {entry: status for job in pleo.jobs.values() for entry, status in job.item_statuses.items()}


def test_the_varied_world_arrives_as_it_was_sent(pleo: Sandbox, run_tap: RunTap) -> None:
    run = run_tap(job_statuses=list(JOB_STATUSES))

    assert (run.returncode, run.errors) == (0, [])
    jobs = {job.id: job for job in pleo.jobs.values() if job.status in JOB_STATUSES}
    assert {record["id"] for record in run.records("export_jobs")} == set(jobs)
    for record in run.records("export_jobs"):
        sent = jobs[record["id"]].record
        del record["expiresAt"]
        assert known(record, sent) == sent
    rows = [job.row(entry) for job in jobs.values() for entry in job.item_statuses]
    by_key = {(row["exportJobId"], row["accountingEntryId"]): row for row in rows}
    assert len(run.records("export_job_items")) == len(by_key)
    for record in run.records("export_job_items"):
        sent = by_key[record["exportJobId"], record["accountingEntryId"]]
        assert known(record, sent) == sent


def test_items_of_the_varied_world_arrive_as_they_were_sent(pleo: Sandbox, run_tap: RunTap) -> None:
    run = run_tap()

    assert (run.returncode, run.errors) == (0, [])
    sent = {item["accountingEntryId"]: item for job in pleo.jobs.values() if job.running for item in job.items}
    records = {record["accountingEntryId"]: record for record in run.records()}
    for entry, record in records.items():
        del record["jobId"], record["itemStatus"]
        assert known(record, sent[entry]) == sent[entry]
    # The default of `item_statuses` wants none of an unknown status.
    assert [status for entry, status in statuses(pleo).items() if entry in set(sent) - set(records)] == ["on_hold"]


def test_more_job_items_than_fit_on_the_largest_page(outputs: Outputs, run_tap: RunTap) -> None:
    with Sandbox.holding("crowded") as crowded:
        outputs.secrets |= {crowded.api_key}
        (job,) = (job for job in crowded.jobs.values() if job.items)

        run = run_tap(api_url=crowded.url, api_key=crowded.api_key, page_size=1000)

    assert (run.returncode, run.errors) == (0, [])
    assert [record["accountingEntryId"] for record in run.records("export_job_items")] == list(job.item_statuses)
    assert [record["accountingEntryId"] for record in run.records()] == list(job.item_statuses)
    assert len(crowded.requests_to(f"/v3/export-jobs/{job.id}/items")) == 2
