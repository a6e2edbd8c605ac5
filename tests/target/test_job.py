from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_pleo_export.target.job import Known, ReportedJob, Stance
from tap_pleo_export.target.tally import Tally
from tap_pleo_export.target.updates import ItemUpdate, JobEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

ENTRY = "8eb648ab-464b-42a0-ba17-eda703657e33"


def job(*statuses: str | None, status: str | None = "in_progress", number: int | None = None) -> ReportedJob:
    made = ReportedJob("job", status, number)
    made.learn((f"{ENTRY[:-1]}{index}", Known(each)) for index, each in enumerate(statuses))
    return made


def update(status: str = "successful", external_id: str | None = None, entry: str = ENTRY) -> ItemUpdate:
    return ItemUpdate("job", entry, status, {"externalId": external_id} if external_id else {}, 7)  # type: ignore[arg-type] # one of two


@pytest.mark.parametrize(
    ("known", "status", "stance"),
    [
        (None, "in_progress", Stance.OPEN),
        (Known(None), "in_progress", Stance.OPEN),
        (Known("pending"), "in_progress", Stance.OPEN),
        (Known("in_progress"), "failed", Stance.OPEN),
        (Known("on_hold"), "in_progress", Stance.OPEN),
        (Known("successful"), "in_progress", Stance.SAME),
        (Known("successful"), "failed", Stance.SAME),
        (Known("successful", "A"), "in_progress", Stance.SAME),
        (Known("successful", "B"), "in_progress", Stance.OTHER),
        (Known("failed"), "completed", Stance.OTHER),
        (Known("abandoned"), "in_progress", Stance.OTHER),
        (Known("abandoned"), "failed", Stance.OPEN),
        (Known("abandoned"), None, Stance.OPEN),
    ],
)
def test_how_an_update_stands_to_what_is_known(known: Known | None, status: str | None, stance: Stance) -> None:
    made = ReportedJob("job", status)
    made.learn([(ENTRY.upper(), known)] if known else [])

    assert made.stance(update(external_id="A")) is stance


def test_an_update_without_an_external_id_contradicts_none() -> None:
    made = ReportedJob("job", "in_progress")
    made.learn([(ENTRY, Known("successful", "B"))])
    assert made.stance(update()) is Stance.SAME


@pytest.mark.parametrize(
    ("statuses", "number", "event", "still_open", "unlisted"),
    [
        ((), None, None, 0, 0),
        ((), 2, None, 0, 2),
        (("successful",), None, "completed", 0, 0),
        (("successful", "successful"), 2, "completed", 0, 0),
        (("successful", "failed"), 2, "completed_with_errors", 0, 0),
        (("failed",), 1, "completed_with_errors", 0, 0),
        (("abandoned", "successful"), 2, "completed_with_errors", 0, 0),
        (("successful", "pending"), 2, None, 1, 0),
        (("in_progress", "pending", None, "on_hold", "failed"), 2, None, 4, 0),
        (("successful", "successful"), 3, None, 0, 1),
        (("successful", "successful"), 1, "completed", 0, 0),
    ],
)
def test_the_event_that_items_call_for(
    statuses: Sequence[str | None], number: int | None, event: str | None, still_open: int, unlisted: int
) -> None:
    made = job(*statuses, number=number)
    assert (made.completion(), made.open_items(), made.unlisted) == (event, still_open, unlisted)


@pytest.mark.parametrize(
    ("status", "closed", "ended", "writable"),
    [
        ("pending", False, False, True),
        ("in_progress", False, False, True),
        ("in_progress", True, False, False),
        ("unknown", False, False, True),
        ("completed", False, True, False),
        ("completed_with_errors", False, True, False),
        ("failed", False, True, False),
        (None, False, True, False),
    ],
)
def test_what_may_be_written_to(status: str | None, closed: bool, ended: bool, writable: bool) -> None:
    made = ReportedJob("job", status, closed=closed)
    assert (made.ended, made.writable) == (ended, writable)


def test_what_pleo_takes_is_known_with_the_id_that_it_has() -> None:
    made = job("pending")
    made.accept(update(external_id="A"))
    assert made.items[update().key] == Known("successful", "A")
    made.accept(update(external_id="A"), "B")
    assert made.items[update().key] == Known("successful", "B")
    assert made.stance(update(external_id="A")) is Stance.OTHER


def test_what_is_supposed_stays_until_pleo_has_an_outcome_itself() -> None:
    made = ReportedJob("job", "in_progress")
    made.learn([(ENTRY, Known("pending"))])
    made.suppose(update())
    made.learn([(ENTRY.upper(), Known("in_progress"))])
    assert (made.completion(), made.stance(update())) == ("completed", Stance.SAME)
    made.learn([(ENTRY, Known("failed"))])
    assert made.completion() == "completed_with_errors"


def test_what_messages_say() -> None:
    assert str(Known("successful", "A")) == "'successful' with externalId 'A'"
    assert str(Known("failed")) == "'failed'"
    assert str(ReportedJob("x", None)) == "Export job x: Pleo does not know it"
    assert str(ReportedJob("x", "failed", failure="job_expired")) == "Export job x is 'failed' (job_expired)"
    assert str(ReportedJob("x", "pending")) == "Export job x is 'pending'"
    assert str(update()) == f"Line 7: export job job, item {ENTRY}"
    assert str(JobEvent("x", "completed", {}, 3)) == "Line 3: export job x, event 'completed'"
    assert str(JobEvent("x", "completed", {})) == "Export job x, event 'completed'"


def test_bodies_of_requests_have_pleos_names() -> None:
    reasons = {"failureReasonType": "job_expired", "failureReason": "late"}
    assert update(external_id="A").to_body() == {
        "accountingEntryId": ENTRY,
        "status": "successful",
        "externalId": "A",
    }
    assert JobEvent("x", "failed", reasons).to_body() == {"jobId": "x", "event": "failed", **reasons}


def test_a_tally_says_what_became_of_all() -> None:
    tally = Tally(accepted=1, already=2, refused=3)
    assert tally.summary(4, dry_run=False) == "1 accepted, 2 already reported, 3 refused, 4 unsent; events: none"
    tally.events.update(started=1, completed=2)
    assert tally.summary(0, dry_run=True) == (
        "Dry run, nothing was sent: 1 accepted, 2 already reported, 3 refused, 0 unsent; events: 2 completed, 1 started"
    )
