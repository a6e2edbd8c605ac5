"""State: its content, when it is written, complete and ended jobs; no state makes a run lose an item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Fault, Job, Sandbox
from tests.conftest import Run, partitions
from tests.helpers.items import all_ids, ids
from tests.tap.conftest import RunTap

ITEMS = "/v3/export-items"
MEMBERS = {"context", "page", "cursor", "page_size", "items", "digest", "complete"}


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    """Small pages, strictly one after the other, so that requests can be counted."""
    return config | {"page_size": 10, "max_concurrent_requests": 1, "max_retries": 0}


def cursors_asked_for(pleo: Sandbox, since: int = 0) -> list[str | None]:
    return [r.query.get("after", [None])[0] for r in pleo.requests[since:] if r.path == ITEMS]


def test_the_state_has_one_partition_per_job_with_the_documented_members(pleo: Sandbox, run_tap: RunTap) -> None:
    jobs = [pleo.add_job(items=count) for count in (25, 10, 0)]

    state = run_tap().state

    assert state.keys() == {"bookmarks"}
    assert state["bookmarks"].keys() == {"export_items"}
    assert state["bookmarks"]["export_items"].keys() == {"partitions"}
    assert [entry.keys() for entry in partitions(state)] == [MEMBERS] * 3
    reported = {
        e["context"]["jobId"]: (e["page"], e["page_size"], e["items"], e["complete"]) for e in partitions(state)
    }
    assert reported == {jobs[0].id: (3, 10, 25, True), jobs[1].id: (1, 10, 10, True), jobs[2].id: (1, 10, 0, True)}


def test_a_state_follows_each_page_and_is_never_ahead_of_its_records(pleo: Sandbox, run_tap: RunTap) -> None:
    for count in (35, 8, 20):
        pleo.add_job(items=count)
    written: Counter[str] = Counter()
    pages = []

    for message in run_tap().messages:
        if message["type"] == "RECORD" and message["stream"] == "export_items":
            written[message["record"]["jobId"]] += 1
        elif message["type"] == "STATE":
            reported = {e["context"]["jobId"]: e["items"] for e in partitions(message["value"])}
            assert reported == written
            pages.append(sum(e["page"] for e in partitions(message["value"])))

    assert set(pages) == set(range(4 + 1 + 2 + 1))


def test_a_run_resumes_after_the_last_page_written(pleo: Sandbox, run_tap: RunTap, stop_at_page: RunTap) -> None:
    job = pleo.add_job(items=45)
    stopped = stop_at_page(3)
    before = len(pleo.requests)

    resumed = run_tap(state=stopped.state)

    assert resumed.returncode == 0
    assert ids(stopped) + ids(resumed) == all_ids(job)
    assert cursors_asked_for(pleo, before)[0] == stopped.bookmark(job.id)["cursor"]
    assert (resumed.bookmark(job.id)["items"], resumed.bookmark(job.id)["complete"]) == (45, True)
    assert any("resumed after page 2" in line for line in resumed.log("INFO"))


def test_a_complete_job_is_not_requested_again(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=15)
    first = run_tap()
    pleo.requests.clear()

    second = run_tap(state=first.state)

    assert second.returncode == 0
    assert not pleo.requests_to(ITEMS)
    assert second.records() == []
    assert second.bookmark(job.id) == first.bookmark(job.id)


def test_a_changed_page_size_reads_the_job_again(pleo: Sandbox, run_tap: RunTap, stop_at_page: RunTap) -> None:
    job = pleo.add_job(items=25)
    state = stop_at_page(3).state
    before = len(pleo.requests)

    run = run_tap(state=state, page_size=7)

    assert run.returncode == 0
    assert ids(run) == all_ids(job)
    assert cursors_asked_for(pleo, before)[0] is None
    assert run.warnings == [
        f"Export job {job.id}: 'page_size' was 10 and is 7 now; it is read again from its first page"
    ]
    assert run.bookmark(job.id)["page_size"] == 7


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_rejected_cursor_restarts_the_job(pleo: Sandbox, run_tap: RunTap, stop_at_page: RunTap, status: int) -> None:
    job = pleo.add_job(items=25)
    state = stop_at_page(3).state
    pleo.add_fault(Fault(path=ITEMS, query={"after": partitions(state)[0]["cursor"]}, status=status))
    before = len(pleo.requests)

    run = run_tap(state=state)

    assert run.returncode == 0
    assert ids(run) == all_ids(job)
    assert cursors_asked_for(pleo, before)[1] is None
    (warning,) = run.warnings
    assert f"Export job {job.id}: Pleo no longer accepts the cursor" in warning
    assert warning.endswith("It is read again from its first page")
    assert run.bookmark(job.id)["complete"] is True


def test_cursors_refused_for_ever_give_the_job_up_after_one_restart(pleo: Sandbox, run_tap: RunTap) -> None:
    broken, small = pleo.add_job(items=25), pleo.add_job(items=5)
    pleo.reject_cursors = True

    run = run_tap()

    assert run.returncode == 1
    assert [r.query["job_id"][0] for r in pleo.requests_to(ITEMS)].count(broken.id) == 4
    assert any(f"Export job {broken.id}: Pleo no longer accepts the cursor" in line for line in run.errors)
    assert run.bookmark(broken.id)["complete"] is False
    assert set(all_ids(small)) <= set(ids(run))


def test_a_rejected_cursor_leaves_the_restart_for_lost_ids(
    pleo: Sandbox, run_tap: RunTap, stop_at_page: RunTap
) -> None:
    job = pleo.add_job(items=25)
    state = stop_at_page(3).state
    pleo.add_fault(Fault(path=ITEMS, nth=1, status=400))
    # The second page of the reading from the first page on.
    without_one = Fault(path=ITEMS, nth=3, kind="rewrite", rewrite=lambda page: page | {"data": page["data"][1:]})
    pleo.add_fault(without_one)

    run = run_tap(state=state)

    assert run.returncode == 0, run.stderr
    assert set(ids(run)) == set(all_ids(job))
    assert len([line for line in run.warnings if line.endswith("It is read again from its first page")]) == 2
    assert run.bookmark(job.id)["complete"] is True


def test_each_of_several_jobs_resumes_where_it_stopped(pleo: Sandbox, run_tap: RunTap, stop_at_page: RunTap) -> None:
    jobs = [pleo.add_job(items=60), pleo.add_job(items=60)]
    state = stop_at_page(3, job_ids=[jobs[0].id]).state
    state = stop_at_page(3, job_ids=[jobs[1].id], state=state).state
    before = len(pleo.requests)

    run = run_tap(state=state, max_concurrent_requests=4)

    assert run.returncode == 0, run.stderr
    assert Counter(ids(run)) == Counter(all_ids(jobs[0])[20:] + all_ids(jobs[1])[20:])
    asked = [request for request in pleo.requests[before:] if request.path == ITEMS]
    for job in jobs:
        queries = [request.query for request in asked if request.query["job_id"] == [job.id]]
        assert sorted(query["offset"][0] for query in queries if "offset" in query) == ["30", "40", "50"]
        assert len(queries) == 4


def test_a_fatal_error_is_preceded_by_all_the_progress_made(pleo: Sandbox, run_tap: RunTap) -> None:
    """Where the state is large it does not follow each page."""
    job = pleo.add_job(items=40)
    others = [
        entry(job, context={"jobId": f"00000000-0000-4000-8000-{number:012}"}, complete=True) for number in range(1000)
    ]
    pleo.add_fault(Fault(path=ITEMS, nth=4, status=401))

    run = run_tap(state={"bookmarks": {"export_items": {"partitions": others}}}, job_ids=[job.id])

    assert run.returncode == 1
    assert ids(run) == all_ids(job)[:30]
    reported = [e["page"] for state in run.states for e in partitions(state) if e["context"]["jobId"] == job.id]
    assert reported[-1:] == [3]


def test_without_state_a_run_reads_the_unfinished_items(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=25)
    run_tap()
    for entry in all_ids(job)[:20]:
        job.item_statuses[entry] = "successful"

    again = run_tap(state={})

    assert again.returncode == 0
    assert ids(again) == all_ids(job)[20:]


def entry(job: Job, **changed: Any) -> dict[str, Any]:
    good = {"context": {"jobId": job.id}, "page": 1, "cursor": None, "page_size": 10, "items": 10, "digest": "00"}
    return good | {"complete": False} | changed


def test_invalid_state_restarts_its_job_with_one_warning(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=15)
    wrong = ({"page": "x"}, {"cursor": "a\nb"}, {"digest": "\ud800"}, {"context": {"jobId": "../../v1/introspect"}})
    entries: list[Any] = [*(entry(job, **change) for change in wrong), None, "x", []]

    run = run_tap(state={"bookmarks": {"export_items": {"partitions": entries}}})

    assert run.returncode == 0
    assert ids(run) == all_ids(job)
    (warning,) = run.warnings
    assert warning.startswith(f"State: {len(entries)} entr(ies) of 'export_items' cannot be read")
    assert warning.endswith("their jobs are read again from the first page")
    assert [e["context"]["jobId"] for e in partitions(run.state)] == [job.id]


def test_plausible_but_wrong_state_is_detected_by_the_ids(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=25)
    bookmark = run_tap().bookmark(job.id)
    # Says that the first page has been written, with the digest of quite other items.
    lie = bookmark | {"page": 1, "items": 10, "complete": False, "cursor": cursors_asked_for(pleo)[1]}

    run = run_tap(state={"bookmarks": {"export_items": {"partitions": [lie]}}})

    assert run.returncode == 0
    assert set(all_ids(job)) == set(ids(run))
    (warning,) = run.warnings
    assert f"Export job {job.id}: Pleo's job items and export items disagree" in warning
    assert run.bookmark(job.id) == bookmark


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


def test_a_complete_job_that_has_ended_leaves_the_state_silently(pleo: Sandbox, run_tap: RunTap) -> None:
    ended, running = pleo.add_job(items=5), pleo.add_job(items=5)
    state = run_tap().state
    ended.finish("completed", pleo.now())

    run = run_tap(state=state)

    assert run.returncode == 0
    assert [e["context"]["jobId"] for e in partitions(run.state)] == [running.id]
    assert run.warnings == run.errors == []


def last_records(run: Run, job: Job) -> tuple[list[str], list[str]]:
    """Return the statuses in a job's record and in its job items."""
    jobs = [record["status"] for record in run.records("export_jobs") if record["id"] == job.id]
    rows = run.records("export_job_items")
    return jobs, [row["status"] for row in rows if row["exportJobId"] == job.id]


@pytest.mark.parametrize("named", [False, True], ids=["listed", "named"])
def test_an_ended_job_is_emitted_once_more_before_it_leaves_the_state(
    pleo: Sandbox, run_tap: RunTap, named: bool
) -> None:
    job = pleo.add_job(items=5)
    settings = {"job_ids": [job.id]} if named else {}
    state = run_tap(**settings).state
    job.finish("failed", pleo.now(), "canceled_by_user", "No")
    pleo.requests.clear()

    run = run_tap(state=state, **settings)

    assert run.returncode == 0
    assert last_records(run, job) == (["failed"], ["abandoned"] * 5)
    paths = [request.path for request in pleo.requests if job.id in request.path]
    assert paths == [f"/v3/export-jobs/{job.id}", f"/v3/export-jobs/{job.id}/items"]
    assert partitions(run.state) == []
    assert last_records(run_tap(state=run.state), job) == ([], [])


def test_an_ended_job_whose_job_items_fail_is_emitted_by_the_next_run(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=5)
    state = run_tap().state
    job.finish("completed", pleo.now())
    pleo.add_fault(Fault(path=f"/v3/export-jobs/{job.id}/items", status=503))

    cut_off = run_tap(state=state)

    assert cut_off.returncode == 1
    assert [e["context"]["jobId"] for e in partitions(cut_off.state or state)] == [job.id]
    assert last_records(run_tap(state=cut_off.state or state), job) == (["completed"], ["pending"] * 5)


def test_a_complete_job_unknown_to_pleo_leaves_the_state_with_a_warning(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=5)
    state = run_tap().state
    del pleo.jobs[job.id]

    run = run_tap(state=state)

    assert (run.returncode, partitions(run.state)) == (0, [])
    assert run.warnings == [f"Export job {job.id}: Pleo no longer knows it; its last status is not emitted"]


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
    (error,) = [line for line in (*run.errors, *run.warnings) if "no longer available" in line]
    assert f"Export job {job.id}: " in error
    assert "10 items were read" in error
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
    assert f"Export job {job.id}: its items can no longer be read (404 EXPORT_NOT_FOUND)" in warning


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
