"""Any updates of any jobs, in any batches, cut and delivered again anywhere: the same in the end, each once.

Pleo is the sandbox's own jobs without HTTP in between, so that thousands of runs take seconds.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pleo_export.target.updates import ItemUpdate, JobEvent
from tests.helpers.reporting import Killed, Mishap, Pleo, Reporting, world

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox import Job

ITEMS = 4
JOBS = 3
EXAMPLES = 150
REASONS = {"failureReasonType": "vendor_unknown", "failureReason": "No"}
MISHAPS: tuple[Mishap, ...] = ("", "", "lost before", "lost after", "too large", "unmentioned")
KILLS: tuple[Mishap, ...] = (*MISHAPS, "killed before", "killed after")


class Said(NamedTuple):
    """An update: of which job's which item (the last is none of it), what, under which externalId."""

    job: int
    item: int
    status: str
    external_id: str | None


class Noted(NamedTuple):
    """An event."""

    job: int
    event: str


said = st.builds(
    Said,
    st.integers(0, JOBS - 1),
    st.integers(0, ITEMS),
    st.sampled_from(["successful", "failed"]),
    st.sampled_from([None, "A", "B"]),
)
noted = st.builds(Noted, st.integers(0, JOBS - 1), st.sampled_from(["started", "completed", "completed_with_errors"]))
inputs = st.lists(st.one_of(said, said, said, noted, st.just("state")), max_size=25)
before = st.lists(st.sampled_from(["pending", "in_progress", "failed", "successful"]), min_size=ITEMS, max_size=ITEMS)
statuses = st.sampled_from(["in_progress", "in_progress", "pending", "completed_with_errors"])
worlds = st.lists(st.tuples(statuses, before), min_size=JOBS, max_size=JOBS)
batches = st.integers(1, 5)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("test-reporting")
    logger.disabled = True
    yield
    logger.disabled = False


def make(jobs: Sequence[tuple[str, Sequence[str]]]) -> Pleo:
    return Pleo(world(*({"items": ITEMS, "status": status, "item_status": items} for status, items in jobs)))


def deliver(run: Reporting, messages: Sequence[Any], first_line: int = 1) -> None:
    """Hand messages to a run, to their end."""
    jobs: list[Job] = list(run.pleo.world.jobs.values())
    for line, message in enumerate(messages, first_line):
        match message:
            case Said(job, item, status, external_id):
                known = [*jobs[job].item_statuses, jobs[job].id]
                details = {**({"externalId": external_id} if external_id else {})}
                details |= REASONS if status == "failed" else {}
                run.reporter.update(ItemUpdate(jobs[job].id, known[item], status, details, line))  # type: ignore[arg-type] # one of two
            case Noted(job, event):
                run.reporter.event(JobEvent(jobs[job].id, event, {}, line))
            case _:
                run.reporter.state(str(line).encode(), line, ())
    run.reporter.finish()


def outcome(pleo: Pleo) -> Any:
    return [(job.status, job.item_statuses, job.outcomes) for job in pleo.world.jobs.values()]


def check_each_once(pleo: Pleo) -> None:
    """Assert that no item was changed twice, and at most one completion of a job accepted."""
    entries = [entry for entry, _ in pleo.changed if entry]
    assert len(set(entries)) == len(entries)
    ends = [event for entry, event in pleo.changed if entry is None and event != "started"]
    assert len(ends) <= len(pleo.world.jobs)


@given(worlds, inputs, batches, batches, st.booleans())
@settings(max_examples=EXAMPLES)
def test_batch_borders_change_nothing(jobs: Any, messages: Any, one: int, two: int, complete: bool) -> None:
    runs = [Reporting(make(jobs), batch_size=size, complete_jobs=complete, start_jobs=True) for size in (one, two)]
    for run in runs:
        deliver(run, messages)

    assert outcome(runs[0].pleo) == outcome(runs[1].pleo)
    assert runs[0].tally == runs[1].tally
    for run in runs:
        check_each_once(run.pleo)


@given(worlds, inputs, batches)
@settings(max_examples=EXAMPLES)
def test_the_first_update_stands_and_each_is_settled(jobs: Any, messages: Any, size: int) -> None:
    run = Reporting(make(jobs), batch_size=size)
    expected = [dict(enumerate(items)) for _, items in jobs]
    for message in messages:
        # An entry that the job does not have is the one after the last.
        if isinstance(message, Said) and message.item < ITEMS and jobs[message.job][0] != "completed_with_errors":
            known = expected[message.job]
            if known[message.item] in {"pending", "in_progress"}:
                known[message.item] = message.status
    deliver(run, messages)

    assert [list(job.item_statuses.values()) for job in run.pleo.world.jobs.values()] == [
        list(items.values()) for items in expected
    ]
    updates = sum(isinstance(message, Said) for message in messages)
    events = sum(isinstance(message, Noted) for message in messages)
    total = run.tally.accepted + run.tally.already + run.tally.refused
    assert updates <= total <= updates + events
    assert run.acknowledgement.unsettled == 0
    # The last state is passed on, each once, in order.
    states = [number for number, message in enumerate(messages, 1) if message == "state"]
    assert [int(state) for state in run.passed] == sorted({int(state) for state in run.passed})
    assert [int(state) for state in run.passed[-1:]] == states[-1:]


@given(worlds, inputs, batches, st.lists(st.sampled_from(MISHAPS), max_size=12), st.booleans())
@settings(max_examples=EXAMPLES)
def test_lost_answers_change_nothing(
    jobs: Any, messages: Any, size: int, mishaps: list[Mishap], complete: bool
) -> None:
    undisturbed, disturbed = (Reporting(make(jobs), size, complete_jobs=complete, start_jobs=True) for _ in range(2))
    disturbed.pleo.mishaps = list(mishaps)
    for run in (undisturbed, disturbed):
        deliver(run, messages)

    assert outcome(disturbed.pleo) == outcome(undisturbed.pleo)
    assert disturbed.tally == undisturbed.tally
    check_each_once(disturbed.pleo)


@given(worlds, inputs, batches, st.lists(st.sampled_from(KILLS), max_size=12), st.booleans())
@settings(max_examples=EXAMPLES)
def test_cut_anywhere_and_delivered_again_it_comes_to_the_same(
    jobs: Any, messages: Any, size: int, mishaps: list[Mishap], complete: bool
) -> None:
    undisturbed = Reporting(make(jobs), complete_jobs=complete, start_jobs=True)
    deliver(undisturbed, messages)
    pleo, acknowledged, runs = make(jobs), 0, 0
    pleo.mishaps = list(mishaps)
    while True:
        runs += 1
        run = Reporting(pleo, size, complete_jobs=complete, start_jobs=True)
        try:
            deliver(run, messages[acknowledged:], acknowledged + 1)
        except Killed:
            acknowledged = int(run.passed[-1]) if run.passed else acknowledged
            continue
        break

    assert runs == 1 + sum(mishap.startswith("killed") for mishap in mishaps) - sum(
        mishap.startswith("killed") for mishap in pleo.mishaps
    )
    assert outcome(pleo) == outcome(undisturbed.pleo)
    check_each_once(pleo)


@given(worlds, inputs, batches, st.booleans())
@settings(max_examples=EXAMPLES)
def test_a_dry_run_says_what_the_real_one_does_and_does_nothing(
    jobs: Any, messages: Any, size: int, complete: bool
) -> None:
    dry, wet = (
        Reporting(make(jobs), size, complete_jobs=complete, dry_run=dry, start_jobs=True) for dry in (True, False)
    )
    untouched = outcome(dry.pleo)
    for run in (dry, wet):
        deliver(run, messages)

    assert dry.tally == wet.tally
    assert (dry.pleo.sent, dry.pleo.posted) == ([], [])
    assert outcome(dry.pleo) == untouched
