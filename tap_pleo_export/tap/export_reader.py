"""Reading Pleo job by job, the oldest to its end before a younger one is begun. No Singer, no HTTP here."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import ListUnusable, RowsUnusable, WrongJob
from tap_pleo_export.api.jobs import ExportJob
from tap_pleo_export.tap.change_detection import MOST_IDLE_PAGES, Idling
from tap_pleo_export.tap.ended_jobs import EndedJobs
from tap_pleo_export.tap.job_reader import JobReading
from tap_pleo_export.tap.records import complete_job
from tap_pleo_export.tap.source import Batch
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.tap.run import Run


class ExportReader:
    """One run's reading of all its export jobs.

    For each job that :meth:`jobs_in_turn` yields, its job items are read, then its export items.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._current: JobReading | None = None

    @cached_property
    def jobs(self) -> list[ExportJob]:
        """The run's jobs, oldest first; fetched once."""
        jobs = {job.id.lower(): job for job in self._listed()}
        return sorted(jobs.values(), key=lambda job: job.age_order)

    @cached_property
    def _jobs_by_id(self) -> dict[str, ExportJob]:
        return {job.id: job for job in self.jobs}

    def export_jobs(self) -> Iterator[Batch]:
        """Yield the jobs' records."""
        yield Batch([complete_job(job) for job in self.jobs])

    def jobs_in_turn(self) -> Iterator[ExportJob]:
        """Yield the jobs, oldest first, once it is settled what became of those that have ended."""
        if self.run.reads_export_items:
            ended = EndedJobs(self.jobs, self.run.bookmarks, self.run.outcome, self.run.logger, self._fetch_job)
            if self.run.scope.job_ids:
                ended.name()
            else:
                ended.forget()
        for job in self.jobs:
            yield job
            self.run.outcome.end_job(job.id)

    def export_job_items(self, job_id: str) -> Iterator[Batch]:
        """Yield the job items of a job, page by page."""
        reading = self._reading_of(job_id)
        waits = self._is_to_be_read(reading.job)
        with self.run.outcome.collect_failures(loses_items=waits):
            if waits and self.run.reads_export_items and not self.run.outcome.failed(job_id):
                reading.begin()
            yield from reading.job_items()

    def export_items(self, job_id: str) -> Iterator[Batch]:
        """Yield the export items of a job, page by page, if it is readable and not complete yet."""
        reading = self._reading_of(job_id)
        if not reading.job.readable or self.run.outcome.failed(job_id):
            return
        with self.run.outcome.collect_failures():
            if self._is_still_complete(reading):
                self.run.logger.info("Export job %s: complete since an earlier run, not read again", job_id)
                return
            self._warn_of_expiry(reading.job, "before")
            yield from reading.export_items()
            self._warn_of_expiry(reading.job, "after")

    def _listed(self) -> Iterator[ExportJob]:
        if self.run.scope.job_ids:
            for job_id in self.run.scope.job_ids:
                with self.run.outcome.collect_failures():
                    yield self._fetch_job(job_id)
                self.run.outcome.end_job(job_id)
        else:
            seen: set[str] = set()
            idling = Idling()
            for page in self.run.export_jobs.pages():
                if page.unusable:
                    self.run.outcome.leave_out_rows(RowsUnusable("export jobs", page.unusable))
                known = len(seen)
                seen.update(record.id for record in page.records)
                if idling.after_page(len(seen) - known):
                    raise ListUnusable("export jobs", f"{MOST_IDLE_PAGES} pages in a row without a new id")
                jobs = list(map(ExportJob.from_record, page.records))
                yield from (job for job in jobs if job.has_plain_id)
                if odd := [f"the id '{one_line(job.id)}' is no UUID" for job in jobs if not job.has_plain_id]:
                    self.run.outcome.leave_out_rows(RowsUnusable("export jobs", odd))

    def _fetch_job(self, job_id: str) -> ExportJob:
        job = ExportJob.from_record(self.run.export_jobs.fetch_job(job_id))
        if job.id.lower() != job_id.lower():
            raise WrongJob(job_id, "its record", job.id)
        return job

    def _reading_of(self, job_id: str) -> JobReading:
        if self._current is None or self._current.job.id != job_id:
            self._current = JobReading(self.run, self._jobs_by_id[job_id])
        return self._current

    def _is_to_be_read(self, job: ExportJob) -> bool:
        return job.readable and not self.run.bookmarks.is_complete(job.id)

    def _is_still_complete(self, reading: JobReading) -> bool:
        """Return whether a job was complete and its job items are still those that were read then."""
        progress = self.run.bookmarks.get(reading.job.id)
        if progress is None or not progress.complete:
            return False
        difference = reading.has_changed(progress)
        if difference is None:
            return True
        self.run.logger.warning(
            "Export job %s: it has changed since it was read to its end (%s); it is read again from its first page",
            reading.job.id,
            difference,
        )
        self.run.bookmarks.drop(reading.job.id)
        return False

    def _warn_of_expiry(self, job: ExportJob, when: str) -> None:
        left = job.minutes_left(datetime.now(UTC))
        if left is not None:
            self.run.logger.warning("Export job %s: %d minute(s) left to its expiry, %s reading it", job.id, left, when)
