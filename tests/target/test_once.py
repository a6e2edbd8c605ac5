"""The fault matrix of updates, second part: jobs that have ended, items that are final; jobs as in the first part."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from sandbox import Job, Sandbox
from tests.helpers.target import state, update, updates
from tests.helpers.target_faults import (
    Row,
    RowResult,
    before_put,
    check,
    entry,
    expire,
    job_ends,
    on_control,
    on_put,
    only,
    refused,
)

SECOND = "Line 4: export job {job}, item {item1}: "
AGAIN = "Export the entries again in Pleo (this creates a new job)"
ALL_FOUR = "{item0}, {item1}, {item2}, {item3}"
NOT_FOUND = {"type": "EXPORT_NOT_FOUND", "message": "Export job not found."}


def gone(pleo: Sandbox, job: Job) -> None:
    del pleo.jobs[job.id]


ENDED = [
    Row(
        id="completed, and all items have the right status",
        items_before="fsss",
        job_before="completed_with_errors",
        puts=(2,),
        job="completed_with_errors",
        counts=(2, 4, 0, 0),
    ),
    refused(
        id="completed, and one item has another status",
        items_before="ffss",
        job_before="completed_with_errors",
        sees=(f"{SECOND}Pleo has 'failed', the update says 'successful'",),
        puts=(2,),
        items="ffss",
        job="completed_with_errors",
        counts=(2, 3, 1),
    ),
    refused(
        id="expired",
        setup=expire,
        items_before="spps",
        sees=(
            "Line 3: export job {job}, item {item0}: Pleo has 'successful', the update says 'failed'",
            f"Export job {{job}} is 'failed' (job_expired): refused 2 update(s), items {{item1}}, {{item2}}. {AGAIN}",
        ),
        puts=(2,),
        items="saas",
        job="failed",
        counts=(2, 1, 3, 0),
    ),
    refused(
        id="unknown to Pleo",
        setup=gone,
        sees=(f"Export job {{job}} is unknown to Pleo: refused 4 update(s), items {ALL_FOUR}. {AGAIN}",),
        puts=(2,),
        items="pppp",
        counts=(2, 0, 4, 0),
    ),
    refused(
        id="unknown between its record and its control layer",
        setup=on_control(status=404, body=NOT_FOUND, nth=None),
        sees=("Export job {job} is unknown to Pleo: refused 4 update(s)",),
        puts=(2,),
        items="pppp",
    ),
    refused(
        id="expires between two batches",
        setup=before_put(expire, nth=2),
        sees=("Export job {job} is 'failed' (job_expired): refused 2 update(s), items {item2}, {item3}",),
        puts=(2, 2, 2),
        items="fsaa",
        job="failed",
        settings={"batch_size": 2},
    ),
    job_ends(
        id="is cancelled by a user",
        setup=before_put(lambda pleo, job: job.finish("failed", pleo.now(), "canceled_by_user", "No")),
        sees=("Export job {job} is 'failed' (canceled_by_user): refused 4 update(s)",),
    ),
    refused(
        id="is finished by another integration in between",
        setup=before_put(lambda pleo, job: job.finish_elsewhere(pleo.now())),
        sees=("item {item0}: Pleo has 'successful', the update says 'failed'",),
        items="ssss",
        job="completed",
        counts=(2, 3, 1, 0),
    ),
    refused(
        id="vanishes in between",
        setup=before_put(gone),
        sees=("Export job {job} is unknown to Pleo: refused 4 update(s)",),
        items="pppp",
    ),
    refused(
        id="Pleo calls it finished, but lists it as running: nothing more is written to it",
        setup=on_put(status=422, body={"type": "EXPORT_JOB_STATUS_UNPROCESSABLE", "message": "?"}),
        sees=(
            "Export job {job} is 'in_progress': refused 1 update(s), items {item0}. Nothing more is written",
            *("Export job {job} is 'in_progress': refused 1 update(s)",) * 3,
        ),
        puts=(1, 1, 1),
        items="pppp",
        settings={"batch_size": 1, "complete_jobs": True},
        events=("completed",),
        states=(2,),
    ),
    Row(id="is pending: updates are accepted", job_before="pending", job="pending"),
    Row(
        id="is pending, and is started before its first write",
        job_before="pending",
        settings={"start_jobs": True},
        events=("started",),
        counts=(6, 0, 0, 0, {"started": 1}),
    ),
    Row(id="is in progress: never started again", settings={"start_jobs": True}),
    Row(
        id="is pending, and nothing is to be written: not started",
        job_before="pending",
        job="pending",
        items_before="fsss",
        puts=(2,),
        settings={"start_jobs": True},
    ),
]

ONCE = [
    Row(id="already reported", items_before="fspp", puts=(2, 2), counts=(4, 2, 0, 0)),
    refused(
        id="the other status",
        items_before="psfp",
        sees=("Line 5: export job {job}, item {item2}: Pleo has 'failed', the update says 'successful'",),
        puts=(2, 2),
        items="fsfs",
        counts=(4, 1, 1),
    ),
    refused(
        id="abandoned in a running job",
        items_before="pppa",
        sees=("Line 6: export job {job}, item {item3}: Pleo has 'abandoned', the update says 'successful'",),
        puts=(3, 2),
        items="fssa",
    ),
    Row(id="in progress", items_before="iiii"),
    refused(
        id="another externalId",
        items_before="psss",
        setup=lambda _, job: job.outcomes.update({entry(job, 1): {"externalId": "JE-9"}, entry(job, 2): {}}),
        input=only(lambda job: update(job, 0, "failed") + updates(job, (1, 2, 3), externalId="JE-1")),
        sees=(f"{SECOND}Pleo has 'successful' with externalId 'JE-9', the update says 'successful' with exte",),
        puts=(1,),
        states=(1,),
        counts=(1, 2, 1),
    ),
    *(
        Row(
            id=f"repeated, with changes and without, in batches of {size}",
            input=only(
                lambda job: updates(job, (0, 1), externalId="A") + update(job, 0, "failed"),
                lambda job: update(job, 1, externalId="B") + update(job, 1, externalId="A") + update(job, 1),
            ),
            sees=(
                "Line 5: export job {job}, item {item0}: Pleo has 'successful' with externalId 'A', the",
                "Line 6: export job {job}, item {item1}: Pleo has 'successful' with externalId 'A', the",
            ),
            exit=1,
            puts=puts,
            items="sspp",
            states=(1,),
            counts=(2, 2, 2, 0),
            settings={"batch_size": size},
        )
        for size, puts in ((100, (2,)), (2, (2,)), (1, (1, 1)))
    ),
    *(
        Row(
            id=f"the first was refused, in batches of {size}: the next one counts",
            input=only(lambda job: update(job, 1, externalId="\ud800") + update(job, 1, "failed") + update(job, 1)),
            sees=(
                "Line 3: export job {job}, item {item1}: Pleo refused it (400",
                "Line 5: export job {job}, item {item1}: Pleo has 'failed', the update says 'successful'",
            ),
            exit=1,
            puts=(1, 1),
            items="pfpp",
            states=(1,),
            settings={"batch_size": size},
        )
        for size in (100, 1)
    ),
    refused(
        id="the same id in another case",
        input=lambda job, _: (
            update(job, 0, "failed", accountingEntryId=entry(job, 0).upper(), jobId=job.id.upper())
            + update(job, 0)
            + state(1)
        ),
        sees=("Line 4: export job {job}, item {item0}: Pleo has 'failed'",),
        puts=(1,),
        items="fppp",
        states=(1,),
        reads=1,
    ),
]
MATRIX = [*ENDED, *ONCE]


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row.id)
def test_row(row: Row, results: dict[str, Future[RowResult]]) -> None:
    check(row, results[row.id].result())
