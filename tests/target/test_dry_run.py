"""A dry run sends only GETs, announces every write and has the exit code of the real run."""

from __future__ import annotations

from sandbox import Fault, Sandbox
from tests.conftest import Run
from tests.helpers.target import event, passed_on, said, state, statuses, summary, update, updates, writes
from tests.target.conftest import Report


def announced(run: Run) -> list[str]:
    return [text for text in run.log("INFO") if text.startswith("Dry run: ")]


def test_dry_run_announces_everything_and_sends_nothing(pleo: Sandbox, report: Report) -> None:
    job = pleo.add_job(items=3, item_status=["pending", "pending", "successful"])
    items = list(job.item_statuses)

    run = report(
        update(job, 0, "failed"),
        updates(job, (1, 2), externalId="JE-1"),
        update(job, 0, "failed"),
        state(1),
        dry_run=True,
        start_jobs=True,
        complete_jobs=True,
    )

    reasons = "failureReasonType 'vendor_unknown' failureReason 'No vendor'"
    assert run.returncode == 0
    assert writes(pleo) == []
    assert passed_on(run) == []
    assert statuses(job) == ["pending", "pending", "successful"]
    assert announced(run) == [
        f"Dry run: Export job {job.id}, event 'started'",
        f"Dry run: Line 3: export job {job.id}, item {items[0]}, status 'failed' {reasons}",
        f"Dry run: Line 4: export job {job.id}, item {items[1]}, status 'successful' externalId 'JE-1'",
        f"Dry run: Export job {job.id}, event 'completed_with_errors'",
    ]
    assert summary(run) == (
        "Dry run, nothing was sent: 2 accepted, 2 already reported, 0 refused, 0 unsent; "
        "events: 1 completed_with_errors, 1 started"
    )


def test_dry_run_fails_as_the_real_run_would(pleo: Sandbox, report: Report) -> None:
    """An entry that the job does not have, a contradiction, an event that disagrees."""
    job = pleo.add_job(items=3, status="in_progress", item_status=["pending", "failed", "pending"])
    messages = [
        update(job, 0, accountingEntryId=job.id),
        update(job, 1),
        update(job, 2),
        event(job, "completed"),
        state(1),
    ]

    dry = report(*messages, dry_run=True)
    wet = report(*messages)

    assert (dry.returncode, wet.returncode) == (1, 1)
    assert [text.split(":")[0] for text in said(dry)] == [text.split(":")[0] for text in said(wet)]
    assert f"item {job.id}: the export job has no such item; not reported as 'successful'" in said(dry)[1]
    assert "event 'completed' not posted: 1 of its 3 items are still open" in said(dry)[2]
    assert summary(dry) == "Dry run, nothing was sent: " + summary(wet)
    assert passed_on(dry) == []
    assert passed_on(wet) == [1]


def test_dry_run_sees_reports_of_another_run(pleo: Sandbox, report: Report) -> None:
    job = pleo.add_job(items=2)
    last = list(job.item_statuses)[1]

    def meanwhile(pleo: Sandbox) -> None:
        job.update(last, {"status": "successful"}, pleo.now())

    # The second time that the control layer is read.
    pleo.add_fault(Fault(path=f"/v3/export-jobs/{job.id}/items", nth=2, kind="callback", callback=meanwhile))

    run = report(update(job, 0), event(job, "started"), event(job, "completed"), dry_run=True)

    assert (run.returncode, said(run), writes(pleo)) == (0, [], [])
    assert [text.rpartition(", ")[2] for text in announced(run)] == [
        "event 'started'",
        "status 'successful' ",
        "event 'completed'",
    ]
