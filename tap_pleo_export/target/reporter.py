"""Input in order: updates into batches; events and states when they are due."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_pleo_export.target.events import EventPoster
from tap_pleo_export.target.jobs import COMPLETIONS, STARTED
from tap_pleo_export.target.sender import UpdateSender

if TYPE_CHECKING:
    from tap_pleo_export.target.jobs import ItemUpdate, JobEvent, ReportedJob
    from tap_pleo_export.target.run import ReportingRun

MAX_WAIT_SECONDS = 5.0
MAX_WAITING_UPDATES = 10_000


@dataclass(slots=True)
class UpdateBatch:
    """The waiting updates of one job since the first one arrived, in seconds of a monotonic clock.

    ``updates`` has the first update of each item, ``later`` further ones: they are checked once the first are settled.
    """

    since: float
    updates: dict[bytes, ItemUpdate] = field(default_factory=dict)
    later: list[ItemUpdate] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of waiting updates."""
        return len(self.updates) + len(self.later)


class UpdateQueue:
    """Batches by job, oldest first; a full one has ``batch_size`` updates."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._batches: dict[str, UpdateBatch] = {}
        self._full: dict[str, None] = {}
        self._waiting = 0

    def __len__(self) -> int:
        """Return the number of waiting updates."""
        return self._waiting

    def add(self, update: ItemUpdate, now: float) -> None:
        """Add an update to its job's batch."""
        batch = self._batches.setdefault(update.job_id, UpdateBatch(now))
        if update.key in batch.updates:
            batch.later.append(update)
        else:
            batch.updates[update.key] = update
        self._waiting += 1
        if len(batch.updates) >= self._batch_size or len(batch) >= MAX_WAITING_UPDATES:
            self._full[update.job_id] = None

    def take(self, job_id: str) -> UpdateBatch:
        """Remove a job's batch and return it."""
        batch = self._batches.pop(job_id)
        self._full.pop(job_id, None)
        self._waiting -= len(batch)
        return batch

    def due(self, now: float) -> str | None:
        """Return a job whose batch must be sent now: full, too old, or the oldest if too many updates wait."""
        full, oldest = next(iter(self._full), None), self.oldest()
        if full is not None or oldest is None:
            return full
        too_old = now - self._batches[oldest].since >= MAX_WAIT_SECONDS
        return oldest if too_old or self._waiting >= MAX_WAITING_UPDATES else None

    def oldest(self) -> str | None:
        """Return the job whose batch has waited longest, if any."""
        return next(iter(self._batches), None)

    def next_due(self, now: float) -> float | None:
        """Return the seconds until the oldest batch is due; None if nothing waits."""
        oldest = next(iter(self._batches.values()), None)
        return None if oldest is None else max(0.0, oldest.since + MAX_WAIT_SECONDS - now)


class Reporter:
    """Reports to Pleo: up to ``batch_size`` updates in a request; every method raises ``PleoError`` to end the run.

    The **first** update of an item counts, so that the result depends neither on which updates share a request nor on
    where an earlier run was cut off.
    """

    def __init__(self, run: ReportingRun, *, batch_size: int, complete_jobs: bool) -> None:
        self._run = run
        self._acknowledgement = run.outcomes.acknowledgement
        self._complete_jobs = complete_jobs
        self._queue = UpdateQueue(batch_size)
        self._sender = UpdateSender(run)
        self._poster = EventPoster(run)
        self._events: dict[str, JobEvent] = {}
        # In input order: jobs of records, and jobs known only from a state that calls them complete.
        self._candidates: dict[str, None] = {}
        self._complete_in_state: dict[str, None] = {}

    def update(self, update: ItemUpdate) -> None:
        """Take an update of an item."""
        self._acknowledgement.begin(update.line)
        self._add_candidate(update.job_id)
        if self._sender.open_updates(self._run.api.job(update.job_id), [update]):
            self._queue.add(update, time.monotonic())
        self._send_due()

    def event(self, event: JobEvent) -> None:
        """Take an event: `started` is posted at once, others at the end of the input."""
        self._acknowledgement.begin(event.line)
        job = self._run.api.job(event.job_id)
        self._add_candidate(event.job_id)
        if event.event == STARTED:
            self._poster.post_started(job, event)
            return
        self._acknowledgement.defer()
        first = self._events.setdefault(event.job_id, event)
        if first.event != event.event:
            self._run.outcomes.refuse_event(event, f"an earlier line says '{first.event}'")
        elif first is not event:
            self._acknowledgement.settle(event.line)

    def state(self, state: bytes, line: int, complete: Iterable[str]) -> None:
        """Take a state: JSON on one line, and the jobs that it calls complete."""
        if self._complete_jobs and (job_ids := [job_id.lower() for job_id in complete]):
            self._complete_in_state |= dict.fromkeys(job_ids)
            self._acknowledgement.defer()
        self._acknowledgement.add(state, line)
        self._run.pass_states()

    def tick(self) -> float | None:
        """Send the batches that are due; return the seconds until the next one is, None if nothing waits."""
        self._send_due()
        return self._queue.next_due(time.monotonic())

    def flush(self) -> None:
        """Send all waiting updates."""
        self._send_due(everything=True)

    def finish(self) -> None:
        """Send all waiting updates, then post the events due at the end of the input."""
        self.flush()
        for event in self._events.values():
            job = self._run.api.job(event.job_id)
            if event.event in COMPLETIONS:
                self._verify(job)
            self._poster.post(job, event)
        for job_id in {**self._candidates, **self._complete_in_state} if self._complete_jobs else ():
            if running := self._run.api.running_job(job_id):
                self._verify(running)
                self._poster.complete(running)
        self._acknowledgement.release()
        self._run.pass_states()

    def _verify(self, job: ReportedJob) -> None:
        """Read a job again before it is completed; updates that its items contradict are sent again once."""
        self._run.api.read_again(job)
        if not (updates := self._sender.contradicted(job)):
            return
        self._run.outcomes.logger.warning(
            "%s: Pleo confirmed %d update(s), but lists their items as open; sending them again", job, len(updates)
        )
        for update in updates:
            self._queue.add(update, time.monotonic())
            self._send_due()
        self.flush()
        self._run.api.read_again(job)
        for update in self._sender.contradicted(job):
            self._run.outcomes.refuse(update, "Pleo confirmed it twice, but lists the item as open")

    def _add_candidate(self, job_id: str) -> None:
        """Note a job that may have to be completed: states that cover its records wait for that."""
        self._candidates[job_id] = None
        if self._complete_jobs:
            self._acknowledgement.defer()

    def _send_due(self, *, everything: bool = False) -> None:
        while job_id := self._queue.oldest() if everything else self._queue.due(time.monotonic()):
            batch = self._queue.take(job_id)
            job = self._run.api.job(job_id)
            if updates := self._sender.open_updates(job, batch.updates.values()):
                self._poster.start_before_writing(job)
                self._sender.send(job, updates)
            # Updates of an item whose first one was refused wait again.
            for update in self._sender.open_updates(job, batch.later):
                self._queue.add(update, time.monotonic())
            self._run.pass_states()
