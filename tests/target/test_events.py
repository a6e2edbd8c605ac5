"""The fault matrix of events: which are posted, when, and the final status of the job.

The jobs are those of the matrix of updates: `{job}` with four items, `{other}` with two.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import pytest

from sandbox import Job, Sandbox
from tests.helpers.target import event, state, tap_state, update, updates
from tests.helpers.target_faults import (
    Row,
    RowResult,
    answering,
    before_event,
    before_put,
    both,
    check,
    entry,
    expire,
    on_control,
    on_event,
    only,
)

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
    """Return an input in which only the tap's state names the job."""
    return lambda job, _: state(tap_state(job, complete=complete)) + state(2)


row = partial(Row, input=only(all_four), puts=(4,), items="ssss", states=(1,), settings=COMPLETE)
refused = partial(row, exit=1)
expired = partial(refused, puts=(), items="aaaa", job="failed")
completed = partial(row, job="completed", events=("completed",))
completed_with_errors = partial(row, job="completed_with_errors", events=("completed_with_errors",))


def another_finishes(status: str) -> Callable[[Sandbox, Job], object]:
    return before_event(lambda pleo, job: job.finish(status, pleo.now()))


COMPLETIONS = [
    row(id="not asked for", settings={}),
    completed(id="all successful", counts=(4, 0, 0, 0, {"completed": 1})),
    completed_with_errors(
        id="one failed",
        input=only(lambda job: update(job, 0, "failed") + updates(job, (1, 2, 3))),
        items="fsss",
        counts=(4, 0, 0, 0, {"completed_with_errors": 1}),
    ),
    completed_with_errors(
        id="all failed: never the event failed", input=only(lambda job: updates(job, range(4), "failed")), items="ffff"
    ),
    completed_with_errors(
        id="an abandoned item is final",
        items_before="pppa",
        input=only(lambda job: updates(job, (0, 1, 2))),
        puts=(3,),
        items="sssa",
    ),
    row(id="items are still open: no error", input=only(two), puts=(2,), items="sspp"),
    refused(
        id="a refused update leaves its item open",
        setup=lambda _, job: job.locked.add(list(job.item_statuses)[3]),
        sees=("ACCOUNTING_ENTRY_UPDATE_FAILED",),
        puts=(4, 1),
        items="sssp",
    ),
    completed_with_errors(
        id="another run reports the rest before the end",
        # After this run has read the items.
        setup=before_put(
            lambda pleo, job: [
                job.update(entry, {"status": "failed"}, pleo.now()) for entry in list(job.item_statuses)[2:]
            ]
        ),
        input=only(two),
        puts=(2,),
        items="ssff",
    ),
    row(
        id="fewer items listed than the job has",
        setup=lambda _, job: job.record.update(numberOfItems=7),
        sees=(f"{OPEN}Pleo lists 4 of its 7 items",),
    ),
    completed(id="more items listed than the job says", setup=lambda _, job: job.record.update(numberOfItems=1)),
    refused(
        id="pending, and not to be started",
        job_before="pending",
        sees=(f"{JOB}'completed' not posted: the job is still 'pending': it must be started first (setting 'start",),
        job="pending",
    ),
    row(
        id="pending, and to be started",
        job_before="pending",
        job="completed",
        events=("started", "completed"),
        settings=COMPLETE | {"start_jobs": True},
        counts=(4, 0, 0, 0, {"completed": 1, "started": 1}),
    ),
    completed(id="already reported by an earlier run: only the event is left", items_before="ssss", puts=()),
]

NAMED_BY_STATE = [
    completed_with_errors(
        id="a job that only the state knows", items_before="ssff", items="ssff", input=named(), puts=(), states=(2,)
    ),
    row(id="its items are open", items="pppp", input=named(), puts=(), states=(2,)),
    row(
        id="the state does not call the job complete",
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
        id="one job is unknown to Pleo, the other is not an id",
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
            counts=(4, 0, 0, 0, {"completed": 1}),
        )
        for effect in (False, True)
        for cause, fault in (("status 500", {"status": 500}), ("", {"kind": "reset"}))
    ),
    refused(
        id="500 for good: the state waits",
        setup=on_event(status=500, nth=None),
        sees=(f"{UNKNOWN}status 500); checking Pleo's state", f"{UNKNOWN}status 500). Run again"),
        events=("completed", "completed"),
        states=(),
    ),
    row(
        id="429",
        setup=on_event(status=429, headers={"Retry-After": "0"}),
        sees=("POST /v3/export-job-events: status 429; trying again",),
        job="completed",
        events=("completed", "completed"),
        reads=2,
    ),
    completed(id="another run completes it first", setup=another_finishes("completed"), counts=(4, 0, 0, 0, {})),
    refused(
        id="another run completes it with another status",
        setup=another_finishes("completed_with_errors"),
        sees=(f"{JOB}'completed' not posted: Export job {{job}} is 'completed_with_errors'",),
        job="completed_with_errors",
        events=("completed",),
    ),
    refused(
        id="it expires just before",
        setup=before_event(expire),
        sees=(f"{JOB}'completed' not posted: Export job {{job}} is 'failed' (job_expired)",),
        job="failed",
        events=("completed",),
    ),
    refused(
        id="422 without a reason",
        setup=on_event(status=422, body={"type": "INVALID_EXPORT_JOB_STATUS_CHANGE", "message": "No"}),
        sees=(f"{JOB}'completed' not posted: Pleo refused it (422 INVALID_EXPORT_JOB_STATUS_CHANGE No), the job",),
        events=("completed",),
    ),
    row(
        id="started, and the answer is lost after the effect",
        job_before="pending",
        setup=on_event(effect=True, status=500),
        sees=(UNKNOWN,),
        events=("started",),
        settings={"start_jobs": True},
        counts=(4, 0, 0, 0, {"started": 1}),
    ),
    refused(
        id="starting is refused: nothing is written to the job",
        job_before="pending",
        setup=on_event(status=422, nth=None, body={"type": "INVALID_EXPORT_JOB_STATUS_CHANGE"}),
        sees=(f"{JOB}'started' not posted: Pleo refused it (422", "Export job {job} is 'pending': refused 4 update(s)"),
        puts=(),
        items="pppp",
        job="pending",
        events=("started",),
        settings=COMPLETE | {"start_jobs": True},
    ),
    expired(
        id="starting is refused, because it has expired",
        job_before="pending",
        setup=before_event(expire),
        sees=("Export job {job} is 'failed' (job_expired): refused 4 update(s)",),
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
        counts=(4, 0, 0, 0, {"completed": 1, "started": 1}),
    ),
    row(
        id="delivered again: everything is already reported",
        job_before="completed",
        items_before="ssss",
        input=only(says("started"), all_four, says("completed")),
        puts=(),
        job="completed",
        settings={},
        counts=(0, 4, 0, 0, {}),
    ),
    expired(
        id="started comes too late",
        job_before="pending",
        setup=expire,
        input=only(says("started")),
        sees=("Line 3: export job {job}, event 'started' not posted: Export job {job} is 'failed' (job_expired), it",),
    ),
    expired(
        id="it expires just before it is started",
        job_before="pending",
        setup=before_event(expire),
        input=only(says("started")),
        sees=("Line 3: export job {job}, event 'started' not posted: Export job {job} is 'failed' (job_expired), it",),
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
    refused(
        id="completed disagrees with the items",
        input=only(lambda job: update(job, 0, "failed") + updates(job, (1, 2, 3)), says("completed")),
        sees=("Line 7: export job {job}, event 'completed' not posted: its items call for 'completed_with_errors'",),
        items="fsss",
        settings={},
    ),
    refused(
        id="completed_with_errors disagrees with the items",
        input=only(all_four, says("completed_with_errors")),
        sees=("event 'completed_with_errors' not posted: its items call for 'completed'",),
        settings={},
    ),
    refused(
        id="completed while items are open",
        input=only(two, says("completed")),
        sees=("Line 5: export job {job}, event 'completed' not posted: 2 of its 4 items are still open",),
        puts=(2,),
        items="sspp",
        settings={},
    ),
    refused(
        id="the first event counts",
        input=only(says("completed"), all_four, says("failed", **REASONS), says("completed")),
        sees=("Line 8: export job {job}, event 'failed' not posted: an earlier line says 'completed'",),
        job="completed",
        events=("completed",),
    ),
    refused(
        id="of a job that Pleo does not know",
        setup=lambda pleo, job: pleo.jobs.pop(job.id),
        input=only(says("completed")),
        sees=("Line 3: export job {job}, event 'completed' not posted: Export job {job} is unknown to Pleo",),
        puts=(),
        items="pppp",
        settings={},
    ),
    refused(
        id="completed of a pending job",
        job_before="pending",
        input=only(all_four, says("completed")),
        sees=("Line 7: export job {job}, event 'completed' not posted: the job is still 'pending'",),
        job="pending",
        settings={},
    ),
    refused(
        id="states before an event are passed on at once, later ones at the end",
        input=lambda job, _: two(job) + state(1) + says("completed")(job) + state(2) + state(3),
        setup=both(on_event(status=403, nth=None)),
        items_before="ppss",
        sees=("(403 on /v3/export-job-events): the credential lacks the scope 'export-jobs:write'",),
        puts=(2,),
        settings={},
        events=("completed",),
        states=(1,),
    ),
]


def grow(pleo: Sandbox, job: Job) -> None:
    more = pleo.add_job(items=2)
    job.items += more.items
    job.item_statuses |= more.item_statuses
    job.record["numberOfItems"] += 2


def forget_first(times: int) -> Callable[[Sandbox, Job], object]:
    """Let Pleo's answers confirm the first item's update, although the item stays open, that many times."""

    def setup(pleo: Sandbox, job: Job) -> None:
        first = entry(job, 0)
        job.ignored.add(first)
        before_put(lambda _, job: job.ignored.clear(), nth=times + 1)(pleo, job)
        confirmed = {"exportJobId": job.id, "accountingEntryId": first, "status": "successful"}
        answering(lambda answer: answer["data"].append(confirmed), times=times)(pleo, job)

    return setup


def another_reports_first(name: str) -> Callable[[Sandbox, Job], object]:
    """Let another target report the first item with an external id, after this run's PUT."""
    return on_control(
        kind="callback",
        nth=2,
        callback=lambda pleo: [
            job.update(entry(job, 0), {"status": "successful", "externalId": name}, pleo.now())
            for job in pleo.jobs.values()
            if job.status == "in_progress" and len(job.items) == 4
        ],
    )


AGAIN = "Export job {job} is 'in_progress': Pleo confirmed 1 update(s), but lists their items as open; sending them"
VERIFIED = [
    row(
        id=f"it grows while it is reported{cause}",
        setup=before_put(grow),
        items="sssspp",
        input=source,
        settings=given,
        sees=sees,
        exit=len(sees),
    )
    for cause, source, given, sees in (
        ("", only(all_four), COMPLETE, ()),
        (
            ": completed in the input",
            only(all_four, says("completed")),
            {},
            ("event 'completed' not posted: 2 of its 6 items are still open",),
        ),
    )
] + [
    refused(
        id="it grows while the outcome of its completion is unknown",
        setup=both(before_event(grow), on_event(status=500)),
        sees=(f"{UNKNOWN}status 500)", f"{JOB}'completed' not posted: 2 of its 6 items are still open"),
        items="sssspp",
        events=("completed",),
    ),
    completed(
        id="an item that the answer confirms and the control layer has as open is sent again",
        setup=forget_first(1),
        sees=(AGAIN,),
        puts=(4, 1),
        counts=(4, 0, 0, 0, {"completed": 1}),
    ),
    refused(
        id="an item that stays open although it was confirmed twice",
        setup=forget_first(2),
        sees=(AGAIN, "item {item0}: Pleo confirmed it twice, but lists the item as open"),
        puts=(4, 1),
        items="psss",
        counts=(3, 0, 1, 0, {}),
    ),
    completed(
        id="another target reports another externalId",
        input=only(lambda job: updates(job, (0, 1, 2, 3), externalId="A")),
        setup=another_reports_first("B"),
        sees=(
            "item {item0}: Pleo has 'successful' with externalId 'B', the update says 'successful' with externalId 'A'",
        ),
        exit=1,
        counts=(3, 0, 1, 0, {"completed": 1}),
    ),
]
MATRIX = [*VERIFIED, *COMPLETIONS, *NAMED_BY_STATE, *UNCERTAIN, *GIVEN]


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row.id)
def test_row(row: Row, results: dict[str, Future[RowResult]]) -> None:
    check(row, results[row.id].result())
