"""What becomes of the progress of jobs that have ended: it goes, and is named if items were still to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import JobEnded, JobError, UnreadJobEnded

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from tap_pleo_export.api.jobs import ExportJob
    from tap_pleo_export.tap.bookmarks import Bookmarks
    from tap_pleo_export.tap.outcome import RunOutcome


@dataclass(frozen=True, slots=True)
class EndedJobs:
    """The jobs that a run lists no more, or lists as ended.

    Attributes:
        jobs: The run's jobs.
        bookmarks: Where each job's progress stands.
        outcome: Where jobs that ended too early are counted.
        logger: Where the run is told.
        fetch: Asks Pleo for one job; raises ``JobError``.
    """

    jobs: Sequence[ExportJob]
    bookmarks: Bookmarks
    outcome: RunOutcome
    logger: logging.Logger
    fetch: Callable[[str], ExportJob]

    def forget(self) -> None:
        """Drop the progress of jobs that Pleo no longer lists as readable; say so if they were not complete."""
        listed = {job.id.lower(): job for job in self.jobs}
        for job_id in self.bookmarks.job_ids():
            job = listed.get(job_id.lower())
            if job and job.readable:
                continue
            progress = self.bookmarks.get(job_id)
            if progress and not progress.complete:
                what = self._end_of(job_id, job)
                if what is None:
                    continue
                self.outcome.give_up(UnreadJobEnded(job_id, what, progress.items))
            self.bookmarks.drop(job_id)

    def name(self) -> None:
        """Say which of the jobs asked for by name have ended before all their items were read."""
        for job in self.jobs:
            if not job.readable and not self.bookmarks.is_complete(job.id):
                self.outcome.give_up(JobEnded(job.id, f"its status is '{job.status}'"))

    def _end_of(self, job_id: str, job: ExportJob | None) -> str | None:
        """Return how a job ended; None if it runs and this run's filters only leave it out."""
        try:
            job = job or self.fetch(job_id)
        except JobEnded:
            return "Pleo no longer knows it"
        except JobError as error:
            self.logger.warning("%s; its progress is kept", error)
            return None
        return None if job.readable else f"its status is '{job.status}'"
