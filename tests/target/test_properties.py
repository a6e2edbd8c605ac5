"""Random updates and events, in any batches, killed and repeated anywhere: the same result, each update once.

The sandbox's jobs answer without HTTP, so that thousands of runs take seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import Job
from sandbox.world import World
from tap_pleo_export.target.jobs import ItemUpdate, JobEvent
from tests.helpers.reporting import START, DirectPleo, Killed, Mishap, Reporting

ITEMS = 4
JOBS = 3
EXAMPLES = 150
REASONS = {"failureReasonType": "vendor_unknown", "failureReason": "No"}
MISHAPS: tuple[Mishap, ...] = ("", "", "lost before", "lost after", "too large", "unmentioned")
KILLS: tuple[Mishap, ...] = (*MISHAPS, "killed before", "killed after")


class Said(NamedTuple):
    """An update; the last item number is unknown to the job."""

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


def make(jobs: Sequence[tuple[str, Sequence[str]]]) -> DirectPleo:
    world = World(seed=1, clock=lambda: START)
    for status, items in jobs:
        world.add_job(items=ITEMS, status=status, item_status=list(items))
    return DirectPleo(world)


def deliver(run: Reporting, messages: Sequence[Any], first_line: int = 1) -> None:
    """Report messages, and finish the run."""
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


def outcome(pleo: DirectPleo) -> Any:
    return [(job.status, job.item_statuses, job.outcomes) for job in pleo.world.jobs.values()]


def check_each_once(pleo: DirectPleo) -> None:
    """Assert that no item was changed twice, and that each job has at most one completion."""
    entries = [entry for entry, _ in pleo.changed if entry]
    assert len(set(entries)) == len(entries)
    ends = [event for entry, event in pleo.changed if entry is None and event != "started"]
    assert len(ends) <= len(pleo.world.jobs)


@given(worlds, inputs, batches, batches, st.booleans())
@settings(max_examples=EXAMPLES)
def test_batch_size_does_not_matter(jobs: Any, messages: Any, one: int, two: int, complete: bool) -> None:
    runs = [Reporting(make(jobs), batch_size=size, complete_jobs=complete, start_jobs=True) for size in (one, two)]
    for run in runs:
        deliver(run, messages)

    assert outcome(runs[0].pleo) == outcome(runs[1].pleo)
    assert runs[0].counts() == runs[1].counts()
    for run in runs:
        check_each_once(run.pleo)


@given(worlds, inputs, batches)
@settings(max_examples=EXAMPLES)
def test_first_update_counts_and_all_are_settled(jobs: Any, messages: Any, size: int) -> None:
    run = Reporting(make(jobs), batch_size=size)
    expected = [dict(enumerate(items)) for _, items in jobs]
    for message in messages:
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
    total = run.outcomes.accepted + run.outcomes.already + run.outcomes.refused
    assert updates <= total <= updates + events
    assert run.outcomes.acknowledgement.unsettled == 0
    # States are passed on in order, each at most once; the last one always.
    states = [number for number, message in enumerate(messages, 1) if message == "state"]
    assert [int(state) for state in run.passed] == sorted({int(state) for state in run.passed})
    assert [int(state) for state in run.passed[-1:]] == states[-1:]


@given(worlds, inputs, batches, st.lists(st.sampled_from(MISHAPS), max_size=12), st.booleans())
@settings(max_examples=EXAMPLES)
def test_lost_answers_do_not_matter(jobs: Any, messages: Any, size: int, mishaps: list[Mishap], complete: bool) -> None:
    undisturbed, disturbed = (Reporting(make(jobs), size, complete_jobs=complete, start_jobs=True) for _ in range(2))
    disturbed.pleo.mishaps = list(mishaps)
    for run in (undisturbed, disturbed):
        deliver(run, messages)

    assert outcome(disturbed.pleo) == outcome(undisturbed.pleo)
    assert disturbed.counts() == undisturbed.counts()
    check_each_once(disturbed.pleo)


@given(worlds, inputs, batches, st.lists(st.sampled_from(KILLS), max_size=12), st.booleans())
@settings(max_examples=EXAMPLES)
def test_killed_and_repeated_run_has_the_same_result(
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
def test_dry_run_predicts_the_real_run(jobs: Any, messages: Any, size: int, complete: bool) -> None:
    dry, wet = (
        Reporting(make(jobs), size, complete_jobs=complete, dry_run=dry, start_jobs=True) for dry in (True, False)
    )
    untouched = outcome(dry.pleo)
    for run in (dry, wet):
        deliver(run, messages)

    assert dry.counts() == wet.counts()
    assert dry.pleo.writes == 0
    assert outcome(dry.pleo) == untouched
