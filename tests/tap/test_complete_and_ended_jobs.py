"""A job is complete if both layers list the same items; an ended job is reported only if it was not complete."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Fault, Sandbox
from tests.conftest import partitions
from tests.helpers.items import all_ids, ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tap.conftest import RunTap

ITEMS = "/v3/export-items"


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    """Small pages, strictly one after the other, so that requests can be counted."""
    return config | {"page_size": 10, "max_concurrent_requests": 1, "max_retries": 0}


# Control layer and data layer


def dropping(entry_id: str) -> Callable[[Any], Any]:
    """Return a rewrite of a page that loses one item."""
    return lambda page: page | {"data": [row for row in page["data"] if row["accountingEntryId"] != entry_id]}


def test_a_job_whose_layers_disagree_once_is_read_again(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=25)
    pleo.add_fault(Fault(path=ITEMS, nth=2, kind="rewrite", rewrite=dropping(all_ids(job)[12])))

    run = run_tap()

    assert run.returncode == 0
    assert set(ids(run)) == set(all_ids(job))
    (warning,) = run.warnings
    assert f"Export job {job.id}: " in warning
    assert all_ids(job)[12] in warning
    assert len(pleo.requests_to(ITEMS)) == 6
    assert len(pleo.requests_to(f"/v3/export-jobs/{job.id}/items")) == 2
    assert run.bookmark(job.id)["complete"] is True


def test_an_item_without_a_job_item_has_a_null_status_and_is_an_error(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=5)
    stranger = all_ids(job)[2]
    del job.item_statuses[stranger]

    run = run_tap()

    assert run.returncode == 1
    statuses = {record["accountingEntryId"]: record["itemStatus"] for record in run.records()}
    assert statuses == dict.fromkeys(all_ids(job), "pending") | {stranger: None}
    assert any(stranger in line and "without a job item" in line for line in run.errors)
    assert run.bookmark(job.id)["complete"] is False


# Jobs that go


def test_a_complete_job_that_has_ended_leaves_the_state_silently(pleo: Sandbox, run_tap: RunTap) -> None:
    ended, running = pleo.add_job(items=5), pleo.add_job(items=5)
    state = run_tap().state
    ended.finish("completed", pleo.now())

    run = run_tap(state=state)

    assert run.returncode == 0
    assert [e["context"]["jobId"] for e in partitions(run.state)] == [running.id]
    assert run.warnings == run.errors == []


@pytest.mark.parametrize("how", ["failed", "unknown"])
def test_an_unread_ended_job_is_reported_once(pleo: Sandbox, run_tap: RunTap, stop_at_page: RunTap, how: str) -> None:
    job = pleo.add_job(items=25)
    state = stop_at_page(2).state
    if how == "failed":
        job.finish("failed", pleo.now(), "job_expired", "The job was not updated in time.")
    else:
        del pleo.jobs[job.id]

    run = run_tap(state=state)

    assert run.returncode == 1
    (error,) = [line for line in (*run.errors, *run.warnings) if "can no longer be had" in line]
    assert f"Export job {job.id}: " in error
    assert "10 had been read" in error
    assert ("its status is 'failed'" if how == "failed" else "Pleo no longer knows it") in error
    assert partitions(run.state) == []

    assert run_tap(state=run.state).returncode == 0


def test_a_complete_job_that_ends_while_it_is_read_is_a_warning(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=5)
    state = run_tap().state
    pleo.add_fault(Fault(path=f"/v3/export-jobs/{job.id}/items", status=404, body={"type": "EXPORT_NOT_FOUND"}))

    run = run_tap(state=state)

    assert run.returncode == 0
    (warning,) = run.warnings
    assert f"Export job {job.id}: its items cannot be read any more (404 EXPORT_NOT_FOUND)" in warning


def test_named_jobs_leave_the_other_entries_alone(pleo: Sandbox, run_tap: RunTap, stop_at_page: RunTap) -> None:
    half_read, gone, named = (pleo.add_job(items=15, company_id=None) for _ in range(3))
    state = stop_at_page(2, job_ids=[half_read.id]).state
    state = stop_at_page(2, job_ids=[gone.id], state=state).state
    del pleo.jobs[gone.id]
    kept = {e["context"]["jobId"]: e for e in partitions(state)}

    run = run_tap(state=state, job_ids=[named.id])

    assert run.returncode == 0
    after = {e["context"]["jobId"]: e for e in partitions(run.state)}
    assert after.keys() == {half_read.id, gone.id, named.id}
    assert {id_: after[id_] for id_ in kept} == kept


@pytest.mark.parametrize("filtered", ["company_id", "job_statuses"])
def test_a_running_job_that_the_settings_leave_out_keeps_its_progress(
    pleo: Sandbox, run_tap: RunTap, stop_at_page: RunTap, filtered: str
) -> None:
    half_read, other = pleo.add_job(items=25), pleo.add_job(items=5, status="in_progress")
    state = stop_at_page(2, job_ids=[half_read.id]).state
    narrow = (
        {"company_id": other.record["companyId"]} if filtered == "company_id" else {"job_statuses": ["in_progress"]}
    )

    run = run_tap(state=state, **narrow)

    assert run.returncode == 0
    assert run.bookmark(half_read.id) == partitions(state)[0]
    assert run.bookmark(other.id)["complete"] is True


def test_uuids_of_other_case_are_the_same_jobs(pleo: Sandbox, run_tap: RunTap, stop_at_page: RunTap) -> None:
    job = pleo.add_job(items=15)
    state = json.loads(json.dumps(stop_at_page(2).state).replace(job.id, job.id.upper()))

    run = run_tap(state=state)

    assert ids(run) == all_ids(job)[10:]
    assert [e["context"]["jobId"] for e in partitions(run.state)] == [job.id]


def test_an_unavailable_job_keeps_its_progress(pleo: Sandbox, run_tap: RunTap, stop_at_page: RunTap) -> None:
    half_read, other = pleo.add_job(items=25), pleo.add_job(items=5, status="in_progress")
    state = stop_at_page(2, job_ids=[half_read.id]).state
    unanswered = pleo.add_fault(Fault(path=f"/v3/export-jobs/{half_read.id}", status=503, nth=None))

    run = run_tap(state=state, job_statuses=["in_progress"])

    assert run.returncode == 0, run.stderr
    assert run.bookmark(half_read.id) == partitions(state)[0]
    assert run.bookmark(other.id)["complete"] is True
    (warning,) = [line for line in run.warnings if line.endswith("; its progress is kept")]
    assert f"Export job {half_read.id}: " in warning

    pleo.faults.remove(unanswered)
    assert set(ids(run_tap(state=run.state))) == set(all_ids(half_read)[10:])


def test_a_named_job_that_ended_after_completion_is_not_a_failure(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=5)
    state = run_tap(job_ids=[job.id]).state
    job.finish("completed", pleo.now())

    run = run_tap(job_ids=[job.id], state=state)

    assert run.returncode == 0
    assert run.records() == []
    assert run.warnings == run.errors == []
