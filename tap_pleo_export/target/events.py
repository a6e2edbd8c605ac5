"""Posts job events: `started` at once, the others at the end of the input if the job's items allow them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import RequestRefused
from tap_pleo_export.target.jobs import COMPLETIONS, STARTED, STATUS_AFTER, JobEvent

if TYPE_CHECKING:
    from tap_pleo_export.target.jobs import ReportedJob
    from tap_pleo_export.target.run import ReportingRun


@dataclass(frozen=True, slots=True)
class EventPoster:
    """Posts events."""

    run: ReportingRun

    def start_before_writing(self, job: ReportedJob) -> None:
        """Start a job that is ``pending``, with the setting `start_jobs`."""
        if self.run.start_jobs and job.status == "pending" and job.writable:
            self._start(job, JobEvent(job.id, STARTED, {}))

    def post_started(self, job: ReportedJob, event: JobEvent) -> None:
        """Post a `started` of the input, unless the job was started before."""
        if job.status == "pending":
            self._start(job, event)
        # A repeated input begins with the updates that led to the job's end.
        if job.ended and not job.started:
            self.run.outcomes.refuse_event(event, f"{job}, it can no longer be started")
        self.run.outcomes.acknowledgement.settle(event.line)

    def post(self, job: ReportedJob, event: JobEvent) -> None:
        """Post another event of the input, unless the job has its status already or its items disagree."""
        if job.ended:
            self._check_status(job, event)
        elif event.event in COMPLETIONS and (why := self._disagreement(job, event.event)):
            self.run.outcomes.refuse_event(event, why)
        else:
            self._end(job, event)
        self.run.outcomes.acknowledgement.settle(event.line)

    def complete(self, job: ReportedJob) -> None:
        """Complete a running job if all its items are final."""
        if not job.writable:
            return
        if event := job.completion():
            self._end(job, JobEvent(job.id, event, {}))
            return
        log = self.run.outcomes.logger.warning if job.unlisted else self.run.outcomes.logger.info
        log("%s and not completed: %s", job, job.incomplete())

    def _disagreement(self, job: ReportedJob, event: str) -> str | None:
        due = job.completion()
        if due == event:
            return None
        return job.incomplete() if due is None else f"its items call for '{due}'"

    def _start(self, job: ReportedJob, event: JobEvent) -> None:
        """Post `started`; a job that turns out to be started, or ended, is left as it is."""
        if self.run.dry_run:
            if not job.started:
                self._pretend(job, event)
            job.status, job.started = "in_progress", True
            return
        posted = False
        try:
            for attempt in self.run.attempts(job):
                with attempt:
                    if job.status == "pending":
                        posted = True
                        self._send(job, event)
                    elif posted and not job.ended:
                        self.run.outcomes.events[STARTED] += 1
        except RequestRefused as refusal:
            self._read_after_refusal(job, refusal)
            if job.status == "pending":
                job.closed = True
                self.run.outcomes.refuse_event(event, f"Pleo refused it ({refusal.status}{refusal.detail})")

    def _end(self, job: ReportedJob, event: JobEvent) -> None:
        """Post the event that ends a job."""
        outcomes = self.run.outcomes
        if event.event in COMPLETIONS and job.status == "pending" and not self.run.start_jobs:
            outcomes.refuse_event(event, "the job is still 'pending': it must be started first (setting 'start_jobs')")
            return
        self.start_before_writing(job)
        if job.closed:
            outcomes.refuse_event(event, "nothing more is written to this job in this run, see above")
            return
        if self.run.dry_run:
            self._pretend(job, event)
            return
        try:
            for attempt in self.run.attempts(job):
                with attempt:
                    if job.status == STATUS_AFTER[event.event]:
                        outcomes.events[event.event] += 1
                    elif not job.ended and event.event in COMPLETIONS and (why := self._disagreement(job, event.event)):
                        outcomes.refuse_event(event, why)
                        return
                    elif not job.ended:
                        self._send(job, event)
        except RequestRefused as refusal:
            self._read_after_refusal(job, refusal)
            if not job.ended:
                why = f"Pleo refused it ({refusal.status}{refusal.detail}), the job is '{job.status}'"
                outcomes.refuse_event(event, why)
                return
        self._check_status(job, event)

    def _check_status(self, job: ReportedJob, event: JobEvent) -> None:
        """Refuse an event if its job has ended with another status."""
        if job.status != STATUS_AFTER[event.event]:
            self.run.outcomes.refuse_event(event, str(job))

    def _send(self, job: ReportedJob, event: JobEvent) -> None:
        with self.run.shielded():
            self.run.api.client.send(self.run.api.post(event))
            self._count(job, event)

    def _pretend(self, job: ReportedJob, event: JobEvent) -> None:
        self.run.outcomes.logger.info("Dry run: %s", event)
        self._count(job, event)

    def _count(self, job: ReportedJob, event: JobEvent) -> None:
        job.status, job.started = STATUS_AFTER[event.event], True
        self.run.outcomes.events[event.event] += 1

    def _read_after_refusal(self, job: ReportedJob, refusal: RequestRefused) -> None:
        if not refusal.final:
            raise refusal
        self.run.api.read_again(job)
