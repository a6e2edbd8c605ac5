"""Export jobs that change while or after they are read: nothing is lost, a lasting contradiction is an error."""

from __future__ import annotations

import copy
import json

import pytest

from sandbox import Fault, Job, Sandbox
from sandbox.values import encode
from tests.helpers.items import all_ids, ids
from tests.helpers.raw_pages import serve, two_jobs
from tests.tap.conftest import RunTap

ITEMS = "/v3/export-items"


def insert(job: Job, at: int, number: int = 1, *, listed: bool = True) -> str:
    """Add an item to a job, in both layers or, until later, in the data layer only."""
    entry = f"{number:08d}-aaaa-4bbb-8ccc-dddddddddddd"
    job.items.insert(at, copy.deepcopy(job.items[0]) | {"accountingEntryId": entry})
    if listed:
        job.item_statuses[entry] = "pending"
    return entry


def control(job: Job) -> str:
    return f"/v3/export-jobs/{job.id}/items"


@pytest.mark.parametrize("at_once", [1, 4])
def test_an_item_added_while_pages_are_read_is_read_in_the_same_run(
    pleo: Sandbox, run_tap: RunTap, at_once: int
) -> None:
    job = pleo.add_job(items=200)
    pleo.add_fault(Fault(path=ITEMS, nth=4, kind="callback", callback=lambda _: insert(job, 5)))

    run = run_tap(page_size=20, max_concurrent_requests=at_once)

    assert run.returncode == 0, run.stderr
    assert set(ids(run)) == set(all_ids(job))
    assert run.bookmark(job.id) | {"complete": True, "items": 201} == run.bookmark(job.id)
    assert any("It is read again from its first page" in line for line in run.warnings)


def test_an_item_added_after_completion_is_read_by_the_next_run(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=60)
    quiet = pleo.add_job(items=5)
    first = run_tap()
    added = insert(job, 7)

    second = run_tap(state=first.state)
    third = run_tap(state=second.state)

    assert added in ids(second)
    assert set(ids(second)) == set(all_ids(job))
    warnings = "\n".join(second.warnings)
    assert f"Export job {job.id}: it has changed since it was read to its end" in warnings
    assert quiet.id not in warnings
    assert (third.returncode, third.records(), third.warnings) == (0, [], [])


def test_complete_jobs_are_compared_even_without_the_job_item_stream(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=6)
    deselected = json.loads(run_tap("--discover").stdout)
    for entry in deselected["streams"]:
        entry["metadata"] = [{"breadcrumb": [], "metadata": {"selected": entry["stream"] == "export_items"}}]
    first = run_tap(catalog=deselected)
    assert first.returncode == 0, first.stderr
    added = insert(job, 2)
    pleo.requests.clear()

    second = run_tap(catalog=deselected, state=first.state)

    assert added in ids(second)
    assert pleo.requests_to(control(job))


def test_an_unlisted_item_is_emitted_again_once_it_is_listed(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=30)
    late = insert(job, 3, listed=False)

    def list_it(_: Sandbox) -> None:
        job.item_statuses[late] = "pending"

    pleo.add_fault(Fault(path=control(job), nth=2, kind="callback", callback=list_it))

    run = run_tap(page_size=10)

    assert run.returncode == 0, run.stderr
    statuses = [record["itemStatus"] for record in run.records() if record["accountingEntryId"] == late]
    assert statuses == [None, "pending"]
    assert run.bookmark(job.id)["complete"] is True


@pytest.mark.parametrize("at", ["at its end", "in the middle"])
def test_an_unlisted_item_is_emitted_again_by_a_later_run(pleo: Sandbox, run_tap: RunTap, at: str) -> None:
    job = pleo.add_job(items=30)
    late = insert(job, 3, listed=False)
    pleo.omit_last_cursor = False
    if at == "in the middle":
        pleo.add_fault(Fault(path=ITEMS, nth=3, times=2, status=503))
    first = run_tap(page_size=10, max_concurrent_requests=1)
    assert first.returncode == 1
    assert {r["itemStatus"] for r in first.records() if r["accountingEntryId"] == late} == {None}
    job.item_statuses[late] = "pending"

    second = run_tap(page_size=10, max_concurrent_requests=1, state=first.state)

    assert second.returncode == 0, second.stderr
    assert [r["itemStatus"] for r in second.records() if r["accountingEntryId"] == late] == ["pending"]
    assert second.bookmark(job.id)["complete"] is True
    assert second.bookmark(job.id)["items"] == 31


def test_a_job_item_without_a_status_is_one_all_the_same(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=30)
    job.outcomes[next(iter(job.item_statuses))] = {"status": None}
    first = run_tap(page_size=10)
    second = run_tap(page_size=10, state=first.state)

    assert (first.returncode, second.returncode) == (0, 0)
    assert second.records() == []


def test_a_job_that_never_stops_changing_is_an_error_and_never_complete(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=30)
    added = iter(range(1, 1000))
    pleo.add_fault(Fault(path=ITEMS, nth=None, kind="callback", callback=lambda _: insert(job, 0, next(added))))

    run = run_tap(page_size=10)

    assert run.returncode == 1
    assert any(f"Export job {job.id}: " in line and "disagree" in line for line in run.errors)
    assert run.bookmark(job.id)["complete"] is False
    assert len(pleo.requests_to(ITEMS)) < 30


LISTINGS: dict[str, tuple[str, str]] = {
    "export items": ("/v3/export-items", "100 pages of export items in a row without a new id"),
    "job items": ("/v3/export-jobs/*/items", "100 pages of job items in a row without a new id"),
    "export jobs": ("/v3/export-jobs", "The list of export jobs cannot be read: 100 pages in a row without a new id"),
}


@pytest.mark.parametrize("rows", ["none", "the same"])
@pytest.mark.parametrize("listing", LISTINGS)
def test_endless_pages_with_ever_new_cursors_end(pleo: Sandbox, run_tap: RunTap, listing: str, rows: str) -> None:
    path, said = LISTINGS[listing]
    older, younger = two_jobs(pleo, 3)
    same = {
        "export items": [encode(item) for item in older.items],
        "job items": [encode(older.row(entry)) for entry in older.item_statuses],
        "export jobs": [encode(older.record)],
    }[listing]
    query = {"job_id": older.id} if listing == "export items" else {}
    serve(pleo, path.replace("*", older.id), *([same if rows == "the same" else []] * 150), **query)

    run = run_tap(max_concurrent_requests=1)

    assert run.returncode == 1
    assert any(said in line for line in run.errors), run.stderr
    if listing != "export jobs":
        assert {record["jobId"] for record in run.records()} >= {younger.id}
        assert any(f"Export job {older.id}: " in line for line in run.errors)


def test_a_job_is_not_complete_before_its_last_page_has_been_read(pleo: Sandbox, stop_at_page: RunTap) -> None:
    job = pleo.add_job(items=20)
    insert(job, 20, listed=False)

    # All job items have been seen by then.
    run = stop_at_page(3, page_size=10, max_concurrent_requests=1, max_retries=0)

    bookmark = run.bookmark(job.id)
    assert (bookmark["page"], bookmark["items"], bookmark["complete"]) == (2, 20, False)
