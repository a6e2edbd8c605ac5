"""The target's fault matrix: its rows, the faults, and how a row is run and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sandbox import Change, Fault, Job, Request, Sandbox
from tests.conftest import Outputs, Run
from tests.helpers.target import (
    SCHEMAS,
    check_said,
    feed,
    passed_on,
    run_summary,
    settings_of,
    start_target,
    state,
    summary,
    update,
    updates,
)

Setup = Callable[[Sandbox, Job], object]

LETTERS = {"pending": "p", "in_progress": "i", "successful": "s", "failed": "f", "abandoned": "a"}


def usual(job: Job, other: Job) -> bytes:
    """Four updates of a job in lines 3 to 6, a STATE, two updates of another job in lines 8 and 9, a STATE."""
    return update(job, 0, "failed") + updates(job, (1, 2, 3)) + state(1) + updates(other, (0, 1)) + state(2)


def only(*made: Callable[[Job], bytes]) -> Callable[[Job, Job], bytes]:
    """Return an input of messages about the first job, from line 3 on, and a STATE."""
    return lambda job, _: b"".join(make(job) for make in made) + state(1)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the matrix.

    Attributes:
        id: The fault.
        setup: Causes it, given Pleo and the job concerned.
        input: The input after both SCHEMAs.
        sees: Phrases of the ERROR and WARNING lines, one line each, in order; no other lines are allowed.
        exit: The exit code.
        puts: Number of updates in each PUT.
        items: Final statuses of the job's four items, one letter each, see ``LETTERS``.
        job: Final status of the job.
        events: Names of the events in POSTs.
        states: States passed on; those that depend on the job's id as a function of it.
        counts: Start of the run's counts: accepted, already, refused, unsent, accepted events by name.
        reads: How often the job's record is read.
        items_before: Initial statuses of the job's items, one letter each.
        job_before: Initial status of the job.
        settings: Additional settings.
    """

    id: str
    setup: Setup = lambda _, __: None
    input: Callable[[Job, Job], bytes] = usual
    sees: tuple[str, ...] = ()
    exit: int = 0
    puts: Sequence[int] = (4, 2)
    items: str = "fsss"
    job: str = "in_progress"
    events: Sequence[str] = ()
    states: Sequence[Any] = (1, 2)
    counts: tuple[object, ...] = ()
    reads: int | None = None
    items_before: str = "pppp"
    job_before: str = "in_progress"
    settings: Mapping[str, Any] = field(default_factory=dict)


refused = partial(Row, exit=1)
item_refused = partial(refused, puts=(4, 1, 2), items="fpss")
job_ends = partial(refused, items="aaaa", job="failed")
run_ends = partial(refused, items="pppp", puts=(4,), states=())


@dataclass(frozen=True)
class RowResult:
    """Result of a row: the run, the names in its phrases, requests and changes, final statuses."""

    run: Run
    names: dict[str, str]
    requests: list[Request]
    changes: list[Change]
    items: str
    job: str


def on_put(**fault: Any) -> Setup:
    """Return a fault of the job's PUTs."""
    return lambda pleo, job: pleo.add_fault(Fault(path=f"/v3/export-jobs/{job.id}/items", method="PUT", **fault))


def on_control(**fault: Any) -> Setup:
    """Return a fault of reading the job's control layer."""
    return lambda pleo, job: pleo.add_fault(Fault(path=f"/v3/export-jobs/{job.id}/items", method="GET", **fault))


def on_job(**fault: Any) -> Setup:
    """Return a fault of reading the job."""
    # A plain path would match the paths below it, too; a pattern matches only whole paths.
    return lambda pleo, job: pleo.add_fault(Fault(path=f"/v3/export-jobs/*{job.id[1:]}", method="GET", **fault))


def on_event(**fault: Any) -> Setup:
    """Return a fault of posting events."""
    return lambda pleo, _: pleo.add_fault(Fault(path="/v3/export-job-events", method="POST", **fault))


def both(*setups: Setup) -> Setup:
    """Return several faults as one."""

    def setup(pleo: Sandbox, job: Job) -> None:
        for each in setups:
            each(pleo, job)

    return setup


def before_put(change: Callable[[Sandbox, Job], object], nth: int = 1) -> Setup:
    """Make a change just before a PUT."""
    return lambda pleo, job: on_put(kind="callback", nth=nth, callback=lambda pleo: change(pleo, job))(pleo, job)


def before_event(change: Callable[[Sandbox, Job], object]) -> Setup:
    """Make a change just before an event."""
    return lambda pleo, job: on_event(kind="callback", callback=lambda pleo: change(pleo, job))(pleo, job)


def answering(change: Callable[[dict[str, Any]], object], times: int = 1) -> Setup:
    """Change the answers to PUTs, which have the lists `data` and `errors`."""

    def rewrite(answer: dict[str, Any]) -> dict[str, Any]:
        change(answer)
        return answer

    return on_put(kind="rewrite", rewrite=rewrite, times=times)


def expire(pleo: Sandbox, job: Job) -> None:
    job.finish("failed", pleo.now(), "job_expired", "The job was not updated in time.")


def entry(job: Job, number: int) -> str:
    return list(job.item_statuses)[number]


def play(row: Row, folder: Path, environment: dict[str, str], outputs: Outputs) -> RowResult:
    """Run the target against a row's fault."""
    folder.mkdir()
    words = {letter: word for word, letter in LETTERS.items()}
    with Sandbox() as pleo:
        outputs.secrets.add(pleo.api_key)
        job = pleo.add_job(items=4, status="in_progress", item_status=[words[letter] for letter in row.items_before])
        job.finish("in_progress", pleo.now())
        if row.job_before == "pending":
            job.record |= {"status": "pending", "startedAt": None}
        elif row.job_before != "in_progress":
            job.finish(row.job_before, pleo.now())
        other = pleo.add_job(items=2, status="in_progress")
        names = {"job": job.id, "other": other.id}
        names |= {f"item{number}": id_ for number, id_ in enumerate(job.item_statuses)}
        messages = row.input(job, other)
        row.setup(pleo, job)
        process = start_target(folder, environment, settings_of(pleo, **row.settings))
        run = feed(process, SCHEMAS + messages, outputs)
        items = "".join(LETTERS[status] for status in job.item_statuses.values())
        return RowResult(run, names, pleo.requests, pleo.changes, items, job.status)


def check(row: Row, outcome: RowResult) -> None:
    """Assert that a row has the expected result."""
    run, names = outcome.run, outcome.names
    check_said(run, [phrase.format(**names) for phrase in row.sees])
    assert run.returncode == row.exit, run.stderr
    puts = [request.json for request in outcome.requests if request.method == "PUT"]
    assert [len(updates) for updates in puts] == list(row.puts), run.stderr
    posted = [request.json for request in outcome.requests if request.method == "POST"]
    assert [event["event"] for event in posted] == list(row.events)
    assert (outcome.items, outcome.job) == (row.items, row.job)
    assert passed_on(run) == [given(names["job"]) if callable(given) else given for given in row.states]
    counts = [run_summary(run)[name] for name in ("accepted", "already", "refused", "unsent", "events")]
    assert tuple(counts[: len(row.counts)]) == row.counts
    accepted, already, refused, unsent, _ = counts
    text = f"{accepted} accepted, {already} already reported, {refused} refused, {unsent} unsent; events: "
    assert summary(run).startswith(text)
    reads = sum(request.path == f"/v3/export-jobs/{names['job']}" for request in outcome.requests)
    assert row.reads in {None, reads}
    # Nothing is changed twice, and no member is sent empty.
    entries = [change.entry_id for change in outcome.changes if change.entry_id]
    assert len(set(entries)) == len(entries)
    assert all(value for updates in puts for each in updates for value in each.values())
