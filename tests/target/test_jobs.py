from __future__ import annotations

from collections.abc import Sequence

import pytest

from tap_pleo_export.target.jobs import Comparison, ItemOutcome, ItemUpdate, JobEvent, ReportedJob

ENTRY = "8eb648ab-464b-42a0-ba17-eda703657e33"


def job(*statuses: str | None, status: str | None = "in_progress", number: int | None = None) -> ReportedJob:
    made = ReportedJob("job", status, number)
    made.set_items((f"{ENTRY[:-1]}{index}", ItemOutcome(each)) for index, each in enumerate(statuses))
    return made


def update(external_id: str | None = None) -> ItemUpdate:
    return ItemUpdate("job", ENTRY, "successful", {"externalId": external_id} if external_id else {}, 7)


@pytest.mark.parametrize(
    ("outcome", "status", "external_id", "comparison"),
    [
        (None, "in_progress", "A", Comparison.OPEN),
        (ItemOutcome(None), "in_progress", "A", Comparison.OPEN),
        (ItemOutcome("pending"), "in_progress", "A", Comparison.OPEN),
        (ItemOutcome("in_progress"), "failed", "A", Comparison.OPEN),
        (ItemOutcome("on_hold"), "in_progress", "A", Comparison.OPEN),
        (ItemOutcome("successful"), "in_progress", "A", Comparison.REPORTED),
        (ItemOutcome("successful"), "failed", "A", Comparison.REPORTED),
        (ItemOutcome("successful", "A"), "in_progress", "A", Comparison.REPORTED),
        (ItemOutcome("successful", "B"), "in_progress", None, Comparison.REPORTED),
        (ItemOutcome("successful", "B"), "in_progress", "A", Comparison.CONFLICT),
        (ItemOutcome("failed"), "completed", "A", Comparison.CONFLICT),
        (ItemOutcome("abandoned"), "in_progress", "A", Comparison.CONFLICT),
        (ItemOutcome("abandoned"), "failed", "A", Comparison.OPEN),
        (ItemOutcome("abandoned"), None, "A", Comparison.OPEN),
    ],
)
def test_comparison_of_an_update_with_pleos_outcome(
    outcome: ItemOutcome | None, status: str | None, external_id: str | None, comparison: Comparison
) -> None:
    made = ReportedJob("job", status)
    made.set_items([(ENTRY.upper(), outcome)] if outcome else [])

    assert made.compare(update(external_id)) is comparison


@pytest.mark.parametrize(
    ("statuses", "number", "event", "why"),
    [
        ((), None, None, "it has no items"),
        ((), 2, None, "Pleo lists 0 of its 2 items"),
        (("successful",), None, "completed", ""),
        (("successful", "successful"), 2, "completed", ""),
        (("successful", "failed"), 2, "completed_with_errors", ""),
        (("failed",), 1, "completed_with_errors", ""),
        (("abandoned", "successful"), 2, "completed_with_errors", ""),
        (("successful", "pending"), 2, None, "1 of its 2 items are still open"),
        (("in_progress", "pending", None, "on_hold", "failed"), 2, None, "4 of its 5 items are still open"),
        (("successful", "successful"), 3, None, "Pleo lists 2 of its 3 items"),
        (("successful", "successful"), 1, "completed", ""),
    ],
)
def test_completion_event_that_items_call_for(
    statuses: Sequence[str | None], number: int | None, event: str | None, why: str
) -> None:
    made = job(*statuses, number=number)
    assert made.completion() == event
    assert event or made.incomplete() == why


def test_items_after_an_assumed_one_are_stored_with_their_external_ids() -> None:
    made = ReportedJob("job", "in_progress")
    made.assume(update())
    other = f"{ENTRY[:-1]}0"
    made.set_items([(ENTRY, ItemOutcome("pending")), (other, ItemOutcome("successful", "A"))])
    assert sorted(outcome.external_id or "" for outcome in made.items.values()) == ["", "A"]


def test_assumed_outcome_lasts_until_pleo_has_a_final_one() -> None:
    made = ReportedJob("job", "in_progress")
    made.set_items([(ENTRY, ItemOutcome("pending"))])
    made.assume(update())
    made.set_items([(ENTRY.upper(), ItemOutcome("in_progress"))])
    assert (made.completion(), made.compare(update())) == ("completed", Comparison.REPORTED)
    made.set_items([(ENTRY, ItemOutcome("failed"))])
    assert made.completion() == "completed_with_errors"


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (JobEvent("j", "failed", {}, 3), "Line 3: export job j, event 'failed'"),
        (JobEvent("j", "started", {}), "Export job j, event 'started'"),
        (ReportedJob("j", None, failure="unknown"), "Export job j is unknown to Pleo"),
        (ReportedJob("j", "pending"), "Export job j is 'pending'"),
        (ReportedJob("j", "failed", failure="canceled_by_user"), "Export job j is 'failed' (canceled_by_user)"),
        (ItemOutcome("failed"), "'failed'"),
        (ItemOutcome("successful", "V\n1"), "'successful' with externalId 'V 1'"),
    ],
)
def test_names_in_messages(subject: JobEvent | ItemOutcome | ReportedJob, name: str) -> None:
    assert str(subject) == name


@pytest.mark.parametrize(("answered", "sent", "known"), [("A", "B", "A"), (None, "B", "B"), (None, None, None)])
def test_accepted_update_is_known_by_pleos_external_id(
    answered: str | None, sent: str | None, known: str | None
) -> None:
    made = ReportedJob("job", "in_progress")
    made.accept(update(sent), answered)
    assert made.items[update().key] == ItemOutcome("successful", known)


def test_assumed_outcome_is_that_of_the_update() -> None:
    made = ReportedJob("job", "in_progress")
    made.assume(update("A"))
    assert made.assumed == made.items == {update().key: ItemOutcome("successful", "A")}
