"""What comes in, in its order: updates into batches, events and states at their time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tap_pleo_export.target.batches import Batches
from tap_pleo_export.target.completion import Completion
from tap_pleo_export.target.sender import Sender
from tap_pleo_export.target.updates import STARTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_pleo_export.target.run import Run
    from tap_pleo_export.target.updates import ItemUpdate, JobEvent


class Reporter:
    """Reports to Pleo.

    The **first** update of an item stands, so that the outcome depends neither on which updates share a request nor on
    where an earlier run was cut off.

    Args:
        run: What it needs of its run.
        batch_size: Updates in one request, 1 to 100.
        complete_jobs: Whether jobs are completed at the end of the input.
    """

    def __init__(self, run: Run, *, batch_size: int, complete_jobs: bool) -> None:
        self._run = run
        self._complete_jobs = complete_jobs
        self._batches = Batches(batch_size)
        self._sender = Sender(run)
        self._completion = Completion(run, self._sender)
        self._events: dict[str, JobEvent] = {}
        # In the order in which they came: those of records, and those that only a state calls complete.
        self._candidates: dict[str, None] = {}
        self._called_complete: dict[str, None] = {}

    def update(self, update: ItemUpdate) -> None:
        """Take an update of an item.

        Raises:
            PleoError: Nothing more can be reported.
        """
        self._run.acknowledgement.begin(update.line)
        self._consider(update.job_id)
        self._offer(update)
        self.tick()

    def event(self, event: JobEvent) -> None:
        """Take an event: `started` is posted at once, the others at the end of the input; raises as :meth:`update`."""
        self._run.acknowledgement.begin(event.line)
        job = self._run.jobs.get(event.job_id)
        self._consider(event.job_id)
        if event.event == STARTED:
            self._completion.start(job, event)
            return
        self._run.acknowledgement.hold()
        first = self._events.setdefault(event.job_id, event)
        if first is event:
            return
        if first.event != event.event:
            self._run.logger.error("%s is not posted: an earlier line says '%s'", event, first.event)
            self._run.tally.refused += 1
        self._run.acknowledgement.settle(event.line)

    def state(self, state: bytes, line: int, complete: Iterable[str]) -> None:
        """Take a state.

        Args:
            state: Its value, as JSON on one line.
            line: Where it stood in the input.
            complete: The jobs that it calls complete.
        """
        for job_id in complete if self._complete_jobs else ():
            self._called_complete[job_id.lower()] = None
            self._run.acknowledgement.hold()
        self._run.acknowledgement.add(state, line)
        self._run.passed_on()

    def tick(self) -> float | None:
        """Send what has waited long enough; return in how many seconds the next is due, None if nothing waits."""
        while (job_id := self._batches.due(time.monotonic())) is not None:
            self._flush(job_id)
        return self._batches.next_due(time.monotonic())

    def flush(self) -> None:
        """Send all that waits; raises as :meth:`update`."""
        # What was said again of an item is judged once its first update is settled, and may wait anew.
        while len(self._batches):
            for job_id in self._batches.jobs():
                self._flush(job_id)

    def finish(self) -> None:
        """Send all that waits, then post what is due at the end of the input; raises as :meth:`update`."""
        self.flush()
        for event in self._events.values():
            self._completion.post_given(self._run.jobs.get(event.job_id), event)
        for job_id in {**self._candidates, **self._called_complete} if self._complete_jobs else ():
            if (job := self._run.jobs.get_running(job_id)) is not None and not job.ended:
                self._completion.complete(job)
        self._run.acknowledgement.release()
        self._run.passed_on()

    def _consider(self, job_id: str) -> None:
        """Note a job that may have to be completed: whatever covers its records waits for that."""
        self._candidates[job_id] = None
        if self._complete_jobs:
            self._run.acknowledgement.hold()

    def _offer(self, update: ItemUpdate) -> None:
        if self._sender.still_open(self._run.jobs.get(update.job_id), (update,)):
            self._batches.add(update, time.monotonic())
            if self._batches.full(update.job_id):
                self._flush(update.job_id)

    def _flush(self, job_id: str) -> None:
        batch = self._batches.take(job_id)
        self._sender.send(self._run.jobs.get(job_id), tuple(batch.updates.values()))
        for update in batch.later:
            self._offer(update)
        self._run.passed_on()
