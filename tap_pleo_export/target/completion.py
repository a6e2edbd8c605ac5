"""Events of jobs: which are posted, when, and what a job's items must be for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import RequestRefused
from tap_pleo_export.target.updates import COMPLETIONS, STATUS_AFTER, JobEvent

if TYPE_CHECKING:
    from tap_pleo_export.target.job import ReportedJob
    from tap_pleo_export.target.run import Run
    from tap_pleo_export.target.sender import Sender


@dataclass(frozen=True, slots=True)
class Completion:
    """Posts events."""

    run: Run
    sender: Sender

    def start(self, job: ReportedJob, event: JobEvent) -> None:
        """Post a `started` of the input at once, if it says something new."""
        if job.status == "pending":
            self.sender.post_started(job, event)
        # An input that is delivered again starts with what has led to the job's end.
        if job.ended and not job.started:
            self.sender.refuse_event(event, f"{job}, it can no longer be started")
        self.run.acknowledgement.settle(event.line)

    def post_given(self, job: ReportedJob, event: JobEvent) -> None:
        """Post an event of the input, unless the job has it already or its items do not allow it."""
        if job.status == STATUS_AFTER[event.event]:
            pass
        elif job.ended:
            self.sender.refuse_event(event, str(job))
        elif event.event in COMPLETIONS and (why := self._disagreement(job, event.event)):
            self.sender.refuse_event(event, why)
        else:
            self._post(job, event)
        self.run.acknowledgement.settle(event.line)

    def complete(self, job: ReportedJob) -> None:
        """Complete a running job if all its items are final."""
        if job.open_items():
            # Another run may have finished them.
            self.run.jobs.read_again(job)
        if not job.writable:
            return
        event = job.completion()
        if event is not None:
            self._post(job, JobEvent(job.id, event, {}))
        elif job.unlisted:
            self.run.logger.warning("%s and not completed: %s", job, _incomplete(job))
        else:
            self.run.logger.info("%s and not completed: %s", job, _incomplete(job))

    def _disagreement(self, job: ReportedJob, event: str) -> str | None:
        if job.open_items():
            self.run.jobs.read_again(job)
        right = job.completion()
        if right == event:
            return None
        return _incomplete(job) if right is None else f"its items call for '{right}'"

    def _post(self, job: ReportedJob, event: JobEvent) -> None:
        """Post the event that ends a job, once its items allow it."""
        if event.event in COMPLETIONS and job.status == "pending" and not self.run.start_jobs:
            why = "the job is still 'pending': it must be started first (setting 'start_jobs')"
            self.sender.refuse_event(event, why)
            return
        self.sender.start(job)
        if job.closed:
            self.sender.refuse_event(event, "nothing more is written to the job in this run, see above")
            return
        if self.run.dry_run:
            self.run.logger.info("Dry run: %s", event)
            self._count(job, event)
            return
        try:
            self.run.until_known(job, self._post_once, job, event)
        except RequestRefused as refusal:
            if not refusal.final:
                raise
            self.run.jobs.read_again(job)
            if not job.ended:
                why = f"Pleo refused it ({refusal.status}{refusal.detail}), the job is '{job.status}'"
                self.sender.refuse_event(event, why)
                return
        if job.status != STATUS_AFTER[event.event]:
            self.sender.refuse_event(event, str(job))

    def _post_once(self, job: ReportedJob, event: JobEvent) -> None:
        """Post the event unless the job turns out to have ended."""
        if job.status == STATUS_AFTER[event.event]:
            self._count(job, event)
        elif not job.ended:
            with self.run.shielded():
                self.run.api.post(event)
                self._count(job, event)

    def _count(self, job: ReportedJob, event: JobEvent) -> None:
        job.status = STATUS_AFTER[event.event]
        self.run.tally.events[event.event] += 1


def _incomplete(job: ReportedJob) -> str:
    if job.unlisted:
        return f"Pleo lists {len(job.items)} of its {job.number_of_items} items"
    if not job.items:
        return "it has no items"
    return f"{job.open_items()} of its {len(job.items)} items are still open"
