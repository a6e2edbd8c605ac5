"""The export jobs that a run reads, those that have ended since an earlier run for the last time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_pleo_export.api.errors import JobEnded, JobError, ListUnusable, RowsUnusable, UnreadJobEnded, WrongJob
from tap_pleo_export.api.jobs import ExportJob
from tap_pleo_export.tap.completeness import MAX_STALLED_PAGES, StallDetector
from tap_pleo_export.tap.job_reader import JobReader
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from tap_pleo_export.api.paging import Listing, Page
    from tap_pleo_export.singer.record_decoder import Record
    from tap_pleo_export.tap.bookmarks import Bookmarks
    from tap_pleo_export.tap.completeness import JobProgress
    from tap_pleo_export.tap.outcome import RunOutcome

logger = logging.getLogger("tap-pleo-export")


@dataclass(kw_only=True)
class RunReader:
    """Reads all export jobs of a run.

    Attributes:
        settings: The settings `job_ids`, `item_statuses` and `page_size`.
        fetch_job: Returns one job's record; raises ``JobError``.
        job_items: Returns the list of a job's job items, given the Singer context ``{"jobId": …}``.
        export_items: Returns the list of a job's export items, likewise.
    """

    settings: Mapping[str, Any]
    bookmarks: Bookmarks
    outcome: RunOutcome
    export_jobs: Listing[Record]
    fetch_job: Callable[[str], Record]
    job_items: Callable[[dict[str, Any]], Listing[Record]]
    export_items: Callable[[dict[str, Any]], Listing[Record]]
    reads_export_items: bool = True
    _current: JobReader | None = field(default=None, init=False)

    @cached_property
    def jobs(self) -> list[ExportJob]:
        """The run's jobs, oldest first, with those of the state that have ended since; fetched once."""
        jobs: list[ExportJob] = []
        for job_id in self.settings.get("job_ids", ()):
            with self.outcome.collect_failures():
                jobs.append(self._fetched(job_id))
            self.outcome.end_job(job_id)
        if not self.settings.get("job_ids"):
            stall, seen = StallDetector(), set[str]()
            for page in self.export_jobs.pages():
                known = len(seen)
                seen.update(record.id for record in page.records)
                if stall.after_page(len(seen) - known):
                    raise ListUnusable("export jobs", f"{MAX_STALLED_PAGES} pages in a row without a new id")
                jobs += self._jobs_on(page)
            jobs += self._no_longer_listed({job.id.lower() for job in jobs})
        distinct = {job.id.lower(): job for job in jobs}
        return sorted(distinct.values(), key=lambda job: job.age_order)

    def settle(self, job: ExportJob) -> None:
        """After a job's records: if it has ended, drop its progress, and report it if it was not read to its end.

        The progress stays if the job items could not be read, so that the next run emits them.
        """
        if job.readable or not self.reads_export_items:
            return
        progress, failed = self.bookmarks.get(job.id), self.outcome.failed(job.id)
        if not failed:
            self.bookmarks.drop(job.id)
        self._report_unread(job.id, f"its status is '{job.status}'", progress)

    def job_reader(self, job_id: str) -> JobReader:
        """Return the reader of a job, one for its job items and its export items."""
        if self._current is None or self._current.job.id != job_id:
            self._current = JobReader(
                job=self._jobs_by_id[job_id],
                job_item_pages=self.job_items({"jobId": job_id}),
                export_item_pages=self.export_items({"jobId": job_id}),
                settings=self.settings,
                bookmarks=self.bookmarks,
                outcome=self.outcome,
            )
        return self._current

    @cached_property
    def _jobs_by_id(self) -> dict[str, ExportJob]:
        return {job.id: job for job in self.jobs}

    def _fetched(self, job_id: str) -> ExportJob:
        job = ExportJob.from_row(self.fetch_job(job_id))
        if job.id.lower() != job_id.lower():
            raise WrongJob(job_id, "its record", job.id)
        return job

    def _jobs_on(self, page: Page[Record]) -> list[ExportJob]:
        """Return the jobs of a page; rows that are not jobs are logged."""
        jobs = list(map(ExportJob.from_row, page.records))
        odd = [f"the id '{one_line(job.id)}' is not a UUID" for job in jobs if not job.has_plain_id]
        for rows in (page.unusable, odd):
            if rows:
                self.outcome.record_skipped_rows(RowsUnusable("export jobs", rows))
        return [job for job in jobs if job.has_plain_id]

    def _no_longer_listed(self, listed: set[str]) -> Iterator[ExportJob]:
        """Yield the jobs of the state that have ended, to be emitted for the last time; drop those unknown to Pleo.

        A job that is still running is only left out by this run's settings; it keeps its progress.
        """
        for job_id in self.bookmarks.job_ids() if self.reads_export_items else ():
            if job_id.lower() in listed:
                continue
            try:
                job = self._fetched(job_id)
            except JobEnded:
                progress = self.bookmarks.get(job_id)
                self.bookmarks.drop(job_id)
                self._report_unread(job_id, "Pleo no longer knows it", progress)
                if progress and progress.complete:
                    logger.warning("Export job %s: Pleo no longer knows it; its last status is not emitted", job_id)
            except JobError as error:
                logger.warning("%s; its progress is kept", error)
            else:
                if not job.readable:
                    yield job

    def _report_unread(self, job_id: str, end: str, progress: JobProgress | None) -> None:
        if progress and not progress.complete:
            self.outcome.record_job_failure(UnreadJobEnded(job_id, end, progress.items))
        elif not progress and self.settings.get("job_ids"):
            self.outcome.record_job_failure(JobEnded(job_id, end))
