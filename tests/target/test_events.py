"""The fault matrix of events: which are posted, when, and what becomes of a job in the end.

The world is that of the updates' matrix: `{job}` of four items, `{other}` of two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.target import event, state, tap_state, update, updates
from tests.helpers.target_faults import (
    Outcome,
    Row,
    before_event,
    both,
    check,
    expire,
    on_event,
    only,
    play_all,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox import Job, Sandbox
    from tests.conftest import Outputs

COMPLETE = {"complete_jobs": True}
REASONS = {"failureReasonType": "integration_unusable", "failureReason": "Blocked"}
UNKNOWN = "Outcome unknown: POST /v3/export-job-events may or may not have been applied ("
JOB = "Export job {job}, event "
OPEN = "Export job {job} is 'in_progress' and not completed: "


def all_four(job: Job) -> bytes:
    return updates(job, (0, 1, 2, 3))


def two(job: Job) -> bytes:
    return updates(job, (0, 1))


def says(name: str, **members: str) -> Callable[[Job], bytes]:
    return lambda job: event(job, name, **members)


def named(*, complete: bool = True) -> Callable[[Job, Job], bytes]:
    """Return an input that knows the job by the tap's state alone."""
    return lambda job, _: state(tap_state(job, complete=complete)) + state(2)


def row(**parts: Any) -> Row:
    """Return a row about one job, reported whole if nothing else is said."""
    usual: dict[str, Any] = {
        "input": only(all_four),
        "puts": (4,),
        "items": "ssss",
        "states": (1,),
        "settings": COMPLETE,
    }
    return Row(**(usual | {"settings": COMPLETE} | parts))


def another_finishes(status: str) -> Callable[[Sandbox, Job], object]:
    return before_event(lambda pleo, job: job.finish(status, pleo.now()))


COMPLETIONS = [
    row(id="not asked for", settings={}),
    row(
        id="all successful",
        job="completed",
        events=("completed",),
        summary="4 accepted, 0 already reported, 0 refused, 0 unsent; events: 1 completed",
    ),
    row(
        id="one failed",
        input=only(lambda job: update(job, 0, "failed") + updates(job, (1, 2, 3))),
        items="fsss",
        job="completed_with_errors",
        events=("completed_with_errors",),
        summary="4 accepted, 0 already reported, 0 refused, 0 unsent; events: 1 completed_with_errors",
    ),
    row(
        id="all failed: never the event failed",
        input=only(lambda job: updates(job, range(4), "failed")),
        items="ffff",
        job="completed_with_errors",
        events=("completed_with_errors",),
    ),
    row(
        id="an abandoned item is final",
        items_before="pppa",
        input=only(lambda job: updates(job, (0, 1, 2))),
        puts=(3,),
        items="sssa",
        job="completed_with_errors",
        events=("completed_with_errors",),
    ),
    row(id="items are still open: no error", input=only(two), puts=(2,), items="sspp"),
    row(
        id="a refused update leaves its item open",
        setup=lambda _, job: job.locked.add(list(job.item_statuses)[3]),
        sees=("ACCOUNTING_ENTRY_UPDATE_FAILED",),
        exit=1,
        puts=(4, 1),
        items="sssp",
    ),
    row(
        id="another run reports the rest before the end",
        setup=lambda pleo, job: [
            job.update(entry, {"status": "failed"}, pleo.now()) for entry in list(job.item_statuses)[2:]
        ],
        input=only(two),
        puts=(2,),
        items="ssff",
        job="completed_with_errors",
        events=("completed_with_errors",),
    ),
    row(
        id="fewer items listed than the job has",
        setup=lambda _, job: job.record.update(numberOfItems=7),
        sees=(f"{OPEN}Pleo lists 4 of its 7 items",),
    ),
    row(
        id="more items listed than the job says",
        setup=lambda _, job: job.record.update(numberOfItems=1),
        job="completed",
        events=("completed",),
    ),
    row(
        id="pending, and not to be started",
        job_before="pending",
        sees=(f"{JOB}'completed' is not posted: the job is still 'pending': it must be started first (setting 'start",),
        exit=1,
        job="pending",
    ),
    row(
        id="pending, and to be started",
        job_before="pending",
        job="completed",
        events=("started", "completed"),
        settings=COMPLETE | {"start_jobs": True},
        summary="4 accepted, 0 already reported, 0 refused, 0 unsent; events: 1 completed, 1 started",
    ),
    row(
        id="already reported by an earlier run: only the event is left",
        items_before="ssss",
        puts=(),
        job="completed",
        events=("completed",),
    ),
]

NAMED_BY_STATE = [
    row(
        id="a job that only the state knows",
        items_before="ssff",
        items="ssff",
        input=named(),
        puts=(),
        job="completed_with_errors",
        events=("completed_with_errors",),
        states=(2,),
    ),
    row(id="its items are open", items="pppp", input=named(), puts=(), states=(2,)),
    row(
        id="the state does not call it complete",
        items_before="ssss",
        input=named(complete=False),
        puts=(),
        states=(lambda job: tap_state(job, complete=False), 2),
        reads=0,
    ),
    row(
        id="it has ended",
        items_before="ssss",
        job_before="completed",
        input=named(),
        puts=(),
        job="completed",
        states=(2,),
    ),
    row(
        id="Pleo does not know it, nor is it an id",
        setup=lambda pleo, job: pleo.jobs.pop(job.id),
        items="pppp",
        input=lambda job, _: state(tap_state(job, "not-an-id")) + state(2),
        puts=(),
        states=(2,),
        reads=1,
    ),
]

UNCERTAIN = [
    *(
        row(
            id=f"{cause} {'after' if effect else 'before'} the effect: accepted once",
            setup=on_event(effect=effect, **fault),
            sees=(f"{UNKNOWN}{cause}",),
            job="completed",
            events=("completed",) if effect else ("completed", "completed"),
            summary="4 accepted, 0 already reported, 0 refused, 0 unsent; events: 1 completed",
        )
        for effect in (False, True)
        for cause, fault in (("status 500", {"status": 500}), ("", {"kind": "reset"}))
    ),
    row(
        id="500 for good: the state waits",
        setup=on_event(status=500, nth=None),
        sees=(f"{UNKNOWN}status 500; Pleo is asked", f"{UNKNOWN}status 500. Run again"),
        exit=1,
        events=("completed", "completed"),
        states=(),
    ),
    row(
        id="429",
        setup=on_event(status=429, headers={"Retry-After": "0"}),
        sees=("POST /v3/export-job-events: status 429; trying again",),
        job="completed",
        events=("completed", "completed"),
        reads=1,
    ),
    row(
        id="another run completes it first",
        setup=another_finishes("completed"),
        job="completed",
        events=("completed",),
        summary="4 accepted, 0 already reported, 0 refused, 0 unsent; events: none",
    ),
    row(
        id="another run completes it otherwise",
        setup=another_finishes("completed_with_errors"),
        sees=(f"{JOB}'completed' is not posted: Export job {{job}} is 'completed_with_errors'",),
        exit=1,
        job="completed_with_errors",
        events=("completed",),
    ),
    row(
        id="it expires just before",
        setup=before_event(expire),
        sees=(f"{JOB}'completed' is not posted: Export job {{job}} is 'failed' (job_expired)",),
        exit=1,
        job="failed",
        events=("completed",),
    ),
    row(
        id="422 without a reason",
        setup=on_event(status=422, body={"type": "INVALID_EXPORT_JOB_STATUS_CHANGE", "message": "No"}),
        sees=(f"{JOB}'completed' is not posted: Pleo refused it (422 INVALID_EXPORT_JOB_STATUS_CHANGE No), the job",),
        exit=1,
        events=("completed",),
    ),
    row(
        id="started, and the answer is lost after the effect",
        job_before="pending",
        setup=on_event(effect=True, status=500),
        sees=(UNKNOWN,),
        events=("started",),
        settings={"start_jobs": True},
        summary="4 accepted, 0 already reported, 0 refused, 0 unsent; events: 1 started",
    ),
    row(
        id="starting is refused: nothing is written to the job",
        job_before="pending",
        setup=on_event(status=422, nth=None, body={"type": "INVALID_EXPORT_JOB_STATUS_CHANGE"}),
        sees=(
            f"{JOB}'started' is not posted: Pleo refused it (422",
            "Export job {job} is 'pending': 4 update(s) are refused",
        ),
        exit=1,
        puts=(),
        items="pppp",
        job="pending",
        events=("started",),
        settings=COMPLETE | {"start_jobs": True},
    ),
    row(
        id="starting is refused, because it has expired",
        job_before="pending",
        setup=before_event(expire),
        sees=("Export job {job} is 'failed' (job_expired): 4 update(s) are refused",),
        exit=1,
        puts=(),
        items="aaaa",
        job="failed",
        events=("started",),
        settings=COMPLETE | {"start_jobs": True},
    ),
]

GIVEN = [
    row(
        id="started and completed, in any order",
        job_before="pending",
        input=only(says("completed"), says("started"), all_four),
        job="completed",
        events=("started", "completed"),
        settings={},
        summary="4 accepted, 0 already reported, 0 refused, 0 unsent; events: 1 completed, 1 started",
    ),
    row(
        id="delivered again: everything is so already",
        job_before="completed",
        items_before="ssss",
        input=only(says("started"), all_four, says("completed")),
        puts=(),
        job="completed",
        settings={},
        summary="0 accepted, 4 already reported, 0 refused, 0 unsent; events: none",
    ),
    row(
        id="started comes too late",
        job_before="pending",
        setup=expire,
        input=only(says("started")),
        sees=(
            "Line 3: export job {job}, event 'started' is not posted: Export job {job} is 'failed' (job_expired), it",
        ),
        exit=1,
        puts=(),
        items="aaaa",
        job="failed",
    ),
    row(
        id="it expires just before it is started",
        job_before="pending",
        setup=before_event(expire),
        input=only(says("started")),
        sees=(
            "Line 3: export job {job}, event 'started' is not posted: Export job {job} is 'failed' (job_expired), it",
        ),
        exit=1,
        puts=(),
        items="aaaa",
        job="failed",
        events=("started",),
    ),
    row(
        id="failed may leave items open, and carries its reasons",
        input=only(two, says("failed", **REASONS)),
        puts=(2,),
        items="ssaa",
        job="failed",
        events=("failed",),
    ),
    row(
        id="completed disagrees with the items",
        input=only(lambda job: update(job, 0, "failed") + updates(job, (1, 2, 3)), says("completed")),
        sees=("Line 7: export job {job}, event 'completed' is not posted: its items call for 'completed_with_errors'",),
        exit=1,
        items="fsss",
        settings={},
    ),
    row(
        id="completed_with_errors disagrees with the items",
        input=only(all_four, says("completed_with_errors")),
        sees=("event 'completed_with_errors' is not posted: its items call for 'completed'",),
        exit=1,
        settings={},
    ),
    row(
        id="completed while items are open",
        input=only(two, says("completed")),
        sees=("Line 5: export job {job}, event 'completed' is not posted: 2 of its 4 items are still open",),
        exit=1,
        puts=(2,),
        items="sspp",
        settings={},
    ),
    row(
        id="the first event stands",
        input=only(says("completed"), all_four, says("failed", **REASONS), says("completed")),
        sees=("Line 8: export job {job}, event 'failed' is not posted: an earlier line says 'completed'",),
        exit=1,
        job="completed",
        events=("completed",),
    ),
    row(
        id="of a job that Pleo does not know",
        setup=lambda pleo, job: pleo.jobs.pop(job.id),
        input=only(says("completed")),
        sees=("Line 3: export job {job}, event 'completed' is not posted: Export job {job}: Pleo does not know it",),
        exit=1,
        puts=(),
        items="pppp",
        settings={},
    ),
    row(
        id="completed of a pending job",
        job_before="pending",
        input=only(all_four, says("completed")),
        sees=("Line 7: export job {job}, event 'completed' is not posted: the job is still 'pending'",),
        exit=1,
        job="pending",
        settings={},
    ),
    row(
        id="states before an event are passed on at once, those behind it at the end",
        input=lambda job, _: two(job) + state(1) + says("completed")(job) + state(2) + state(3),
        setup=both(on_event(status=403, nth=None)),
        items_before="ppss",
        sees=("(403 on /v3/export-job-events): the credential lacks the scope 'export-jobs:write'",),
        exit=1,
        puts=(2,),
        settings={},
        events=("completed",),
        states=(1,),
    ),
]
MATRIX = [*COMPLETIONS, *NAMED_BY_STATE, *UNCERTAIN, *GIVEN]


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, outputs: Outputs
) -> dict[str, Outcome]:
    return play_all(MATRIX, request, tmp_path_factory.mktemp("events"), outputs)


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row.id)
def test_row(row: Row, outcomes: dict[str, Outcome]) -> None:
    check(row, outcomes[row.id])
