"""Extreme rows and absurd answers arrive whole or are reported; they never affect other rows or jobs."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox import Fault, Job, Sandbox
from sandbox.values import encode
from tests.helpers.items import all_ids, ids
from tests.helpers.raw_pages import DIGITS, ITEMS, nested, page, row, rows_with, serve, two_jobs
from tests.tap.conftest import RunTap

JOBS = "/v3/export-jobs"
TOO_DEEP = 100_000


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    return config | {"max_retries": 0, "max_concurrent_requests": 1}


LINE = b'{"id":"4f7c2a0e-0000-4000-8000-000000000000","netAmount":{"inWalletCurrency":{"value":1.10,"currency":"EUR"}}}'
WHOLE = {
    "a note of 5 MB": b'"note":"%b"' % ("å🧾 \\n" * 625_000).encode(),
    "100,000 lines": b'"accountingEntryLines":[%b]' % b",".join([LINE] * 100_000),
    "null lines": b'"accountingEntryLines":null',
    "a fraction beyond floating point": b'"exchange":{"rate":1e400,"fee":-1E-400,"zero":-0.0}',
    "an integer of 400 digits": b'"amount":{"inWalletCurrency":{"value":%b,"currency":"EUR"}}' % DIGITS.encode(),
    "500 levels in a declared member": b'"supplier":' + nested(500),
    "500 levels in an unknown member": b'"novelty":' + nested(500),
    "a name twice inside a member": b'"supplier":{"code":"first","code":"last"}',
}


def hostile_but_whole(pleo: Sandbox) -> Job:
    job, _ = two_jobs(pleo, len(WHOLE))
    serve(pleo, ITEMS, rows_with(job.items, list(WHOLE.values())), job_id=job.id)
    return job


def test_large_and_deep_values_arrive_byte_for_byte(pleo: Sandbox, run_tap: RunTap) -> None:
    job = hostile_but_whole(pleo)

    run = run_tap()

    assert (run.returncode, run.errors) == (0, [])
    lines = [line for line in run.stdout.split(b"\n") if line.startswith(b'{"type":"RECORD","stream":"export_items"')]
    for line, text in zip(lines[: len(WHOLE)], WHOLE.values(), strict=True):
        assert text in line
    assert run.bookmark(job.id)["complete"] is True


def test_with_stream_maps_the_values_are_the_same(pleo: Sandbox, run_tap: RunTap) -> None:
    hostile_but_whole(pleo)

    mapped = run_tap(stream_maps={"export_items": {"mapped": "'yes'"}})

    assert (mapped.returncode, mapped.errors) == (0, [])
    for record, text in zip(mapped.records(), WHOLE.values(), strict=False):
        (name, value) = json.loads(b"{" + text + b"}", parse_float=Decimal).popitem()
        assert record.pop("mapped") == "yes"
        assert (record[name] if name in record else record["additionalFields"][name]) == value


def test_the_last_of_two_members_with_one_name_counts(pleo: Sandbox, run_tap: RunTap) -> None:
    job, _ = two_jobs(pleo, 1)
    serve(pleo, ITEMS, [row(job.items[0] | {"note": "first"}, b'"note":"last","novelty":1,"novelty":2')], job_id=job.id)

    run = run_tap()

    assert run.returncode == 0
    assert b'"first"' not in run.stdout
    assert (run.records()[0]["note"], run.records()[0]["additionalFields"]) == ("last", {"novelty": 2})


UNUSABLE = {
    **dict.fromkeys((b"null", b"17", b'"text"', b"[]"), "not an object"),
    b"{}": "it has no 'accountingEntryId'",
    **{
        b'{"accountingEntryId":%b}' % value: "its 'accountingEntryId' is not a non-empty text"
        for value in (b"null", b'""', b"17", b'["text"]', b"{}", b"true", b"1.5")
    },
}


@pytest.mark.parametrize("at_once", [1, 4])
def test_unusable_items_are_reported_and_all_others_arrive(pleo: Sandbox, run_tap: RunTap, at_once: int) -> None:
    job, other = two_jobs(pleo, 4)
    good = [encode(item) for item in job.items]
    faults = serve(pleo, ITEMS, good[:2], [*UNUSABLE, good[2]], good[3:], job_id=job.id)

    run = run_tap(max_concurrent_requests=at_once)

    assert run.returncode == 1
    assert ids(run) == all_ids(job) + all_ids(other)
    first, *_ = run.errors
    assert first.startswith(f"Export job {job.id}: page 2: row 1 is unusable, not an object; row 2 is unusable")
    for number, reason in list(enumerate(UNUSABLE.values(), 1))[:10]:
        assert any(
            part.startswith(f"row {number}") and reason in part for part in first.partition("2: ")[2].split("; ")
        )
    assert f"; and {len(UNUSABLE) - 10} more. Report it to Pleo; the job stays incomplete" in first
    assert run.errors[-1] == f"1 export job(s) could not be read to the end, see above: {job.id}"
    assert "Traceback" not in run.stderr
    # The page is asked for again once Pleo has repaired it.
    assert (run.bookmark(job.id)["page"], run.bookmark(job.id)["complete"]) == (1, False)
    assert run.bookmark(other.id)["complete"] is True
    for fault in faults:
        pleo.faults.remove(fault)
    serve(pleo, ITEMS, good[2:], job_id=job.id, after="page1")
    repaired = run_tap(state=run.state)
    assert (repaired.returncode, ids(repaired)) == (0, all_ids(job)[2:])
    assert repaired.bookmark(job.id)["complete"] is True


def test_unusable_job_items_keep_their_job_incomplete(pleo: Sandbox, run_tap: RunTap) -> None:
    job, other = two_jobs(pleo, 3)
    path = f"{JOBS}/{job.id}/items"
    rows = [encode(job.row(entry)) for entry in all_ids(job)]
    serve(pleo, path, [rows[0], b"null", b'{"status":"pending"}', *rows[1:]])

    run = run_tap()

    assert run.returncode == 1
    assert ids(run) == all_ids(job) + all_ids(other)
    assert [record["accountingEntryId"] for record in run.records("export_job_items")] == ids(run)
    assert run.errors[0] == (
        f"Export job {job.id}: page 1 of its job items: row 2 is unusable, not an object; row 3 is unusable, it has no "
        "'accountingEntryId'. Report it to Pleo; the job stays incomplete"
    )
    assert run.bookmark(job.id)["complete"] is False


def test_unusable_jobs_are_reported_and_the_others_are_read(pleo: Sandbox, run_tap: RunTap) -> None:
    job, other = two_jobs(pleo, 3)
    serve(pleo, JOBS, [b"null", encode(other.record), b'{"id":""}', encode(job.record)])

    run = run_tap()

    assert run.returncode == 1
    assert ids(run) == all_ids(job) + all_ids(other)
    (error,) = run.errors
    assert error.startswith('The list of export jobs: row 1 is unusable, not an object; row 3 (id "") is unusable, its')
    assert error.endswith("Report it to Pleo; the other jobs are read")


@pytest.mark.parametrize("levels", [1_000, 2_000, TOO_DEEP])
@pytest.mark.parametrize("place", [b'"data":', b'"pagination":'])
def test_a_page_nested_too_deeply_fails_only_its_job(pleo: Sandbox, run_tap: RunTap, levels: int, place: bytes) -> None:
    job, other = two_jobs(pleo, 1)
    (fault,) = serve(pleo, ITEMS, [encode(job.items[0])], job_id=job.id)
    assert isinstance(fault.body, bytes)
    fault.body = fault.body.replace(place, b'"meta":' + nested(levels) + b"," + place)

    run = run_tap()

    # The depth that can be read differs between versions of Python.
    if levels > 2_000 or run.returncode:
        assert run.returncode == 1
        assert run.errors[0].startswith(f"Export job {job.id}: a page is nested too deeply to be read")
    assert ids(run)[-2:] == all_ids(other)
    assert "Traceback" not in run.stderr


def test_a_record_too_deep_for_stream_maps_is_one_error(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=1, created_at=datetime.now(UTC) - timedelta(minutes=1))
    serve(pleo, ITEMS, [row(job.items[0], b'"novelty":' + b"7" * 5000)], job_id=job.id)

    run = run_tap(stream_maps={"export_items": {"mapped": "'yes'"}})

    assert run.returncode == 1
    (error,) = run.errors
    assert (
        f"accountingEntryId {all_ids(job)[0]} is nested too deeply, or has too long a number, for stream maps" in error
    )
    assert job.id not in str(run.state)
    assert "Traceback" not in run.stderr


def test_a_body_beyond_its_limit_fails_only_its_job(pleo: Sandbox, run_tap: RunTap) -> None:
    older, younger = two_jobs(pleo, 3)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    bomb = Fault(
        path=ITEMS,
        query={"job_id": older.id},
        status=200,
        headers=headers,
        body=gzip.compress(b" " * (130 * 1024 * 1024)),
        nth=None,
    )
    pleo.add_fault(bomb)

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
    assert any(f"Export job {asked.id}: its record belongs to another job, {other.id}" in line for line in run.errors)
    assert run.records() == []


def test_job_items_of_another_job_are_an_error(pleo: Sandbox, run_tap: RunTap) -> None:
    asked, other = two_jobs(pleo, 3)
    rows = [encode(other.row(entry)) for entry in other.item_statuses]
    pleo.add_fault(Fault(path=f"/v3/export-jobs/{asked.id}/items", status=200, body=page(rows), nth=None))

    run = run_tap()

    assert run.returncode == 1
    assert any(f"Export job {asked.id}: one of its job items belongs to another job" in line for line in run.errors)
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
