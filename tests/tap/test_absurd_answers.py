"""An absurd answer fails its job at most: never other jobs, no traceback, no unbounded memory."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Fault, Sandbox
from sandbox.values import encode
from tests.helpers.raw_pages import page, two_jobs

if TYPE_CHECKING:
    from tests.tap.conftest import RunTap

ITEMS = "/v3/export-items"

ODD_JOBS: dict[str, dict[str, Any]] = {
    "expires in the year 10000": {"expiresIn": 253402300799},
    "expires in ages": {"expiresIn": 8e12},
    "expired ages ago": {"expiresIn": -8e12},
    "made near year 1": {"createdAt": "0001-01-01T00:00:00+14:00"},
    "made near year 9999": {"createdAt": "9999-12-31T23:59:59-14:00"},
    "made at a number": {"createdAt": 1733856000},
    "updated at an object": {"lastUpdatedAt": {"at": "noon"}},
    "items beyond counting": {"numberOfItems": 10**4000},
    "items by halves": {"numberOfItems": 2.5},
}


@pytest.mark.parametrize("odd", ODD_JOBS)
def test_a_job_with_absurd_numbers_is_read(pleo: Sandbox, run_tap: RunTap, odd: str) -> None:
    job = pleo.add_job(items=3)
    other = pleo.add_job(items=2)
    records = [encode(job.record | ODD_JOBS[odd]), encode(other.record)]
    pleo.add_fault(Fault(path="/v3/export-jobs", status=200, body=page(records)))

    run = run_tap()

    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    assert {record["jobId"] for record in run.records()} == {job.id, other.id}
    (record,) = [record for record in run.records("export_jobs") if record["id"] == job.id]
    assert {name: record[name] for name in ODD_JOBS[odd]} == ODD_JOBS[odd]


def bomb(size: int) -> bytes:
    """Return a gzip body that unpacks to that many bytes."""
    return gzip.compress(b" " * size, compresslevel=9)


def test_a_body_beyond_its_limit_fails_only_its_job(pleo: Sandbox, run_tap: RunTap) -> None:
    older, younger = two_jobs(pleo, 3)
    bomb_ = Fault(
        path=ITEMS,
        query={"job_id": older.id},
        status=200,
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
        body=bomb(130 * 1024 * 1024),
        nth=None,
    )
    pleo.add_fault(bomb_)

    run = run_tap()

    assert run.returncode == 1
    assert any(f"Export job {older.id}: " in line and "more than 134,217,728 bytes" in line for line in run.errors)
    assert {record["jobId"] for record in run.records()} == {younger.id}
    assert len([request for request in pleo.requests_to(ITEMS) if request.query["job_id"] == [older.id]]) == 1


def test_a_record_of_another_job_is_an_error(pleo: Sandbox, run_tap: RunTap) -> None:
    asked, other = two_jobs(pleo, 3)
    pleo.add_fault(Fault(path=f"/v3/export-jobs/{asked.id}", status=200, body={"data": other.record}))

    run = run_tap(job_ids=[asked.id])

    assert run.returncode == 1
    assert any(f"Export job {asked.id}: its record is of another job, {other.id}" in line for line in run.errors)
    assert run.records() == []


def test_job_items_of_another_job_are_an_error(pleo: Sandbox, run_tap: RunTap) -> None:
    asked, other = two_jobs(pleo, 3)
    rows = [encode(other.row(entry)) for entry in other.item_statuses]
    pleo.add_fault(Fault(path=f"/v3/export-jobs/{asked.id}/items", status=200, body=page(rows), nth=None))

    run = run_tap()

    assert run.returncode == 1
    assert any(f"Export job {asked.id}: one of its job items is of another job" in line for line in run.errors)
    assert {record["exportJobId"] for record in run.records("export_job_items")} == {other.id}
    assert {record["jobId"] for record in run.records()} == {other.id}


@pytest.mark.parametrize("id_", ["../../v1/introspect?x=", "urn:uuid:8eb648ab-464b-42a0-ba17-eda703657e33", "a\nb"])
def test_a_job_id_that_is_not_a_uuid_never_gets_into_a_path(pleo: Sandbox, run_tap: RunTap, id_: str) -> None:
    job = pleo.add_job(items=2)
    records = [encode(job.record | {"id": id_}), encode(job.record)]
    pleo.add_fault(Fault(path="/v3/export-jobs", status=200, body=page(records)))

    run = run_tap()

    assert run.returncode == 1
    assert any("is not a UUID" in line and "the other jobs are read" in line for line in run.errors)
    assert len(run.records()) == 2
    assert {request.path for request in pleo.requests} == {"/v3/export-jobs", f"/v3/export-jobs/{job.id}/items", ITEMS}


def test_unavailable_jobs_stop_the_run_only_if_no_other_lies_between(pleo: Sandbox, run_tap: RunTap) -> None:
    now = datetime.now(UTC)
    jobs = [pleo.add_job(items=2, created_at=now - timedelta(minutes=9 - number)) for number in range(4)]
    for silent in jobs[::2]:
        pleo.add_fault(Fault(path=ITEMS, query={"job_id": silent.id}, status=503, nth=None))

    run = run_tap(max_retries=0)

    assert run.returncode == 1
    assert [record["jobId"] for record in run.records()] == [jobs[1].id] * 2 + [jobs[3].id] * 2
    assert run.errors[-1].startswith("2 export job(s) could not be read to the end")
