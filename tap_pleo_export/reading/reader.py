"""Reading Pleo: jobs oldest first, their job items, their export items, page by page. No Singer, no HTTP here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from tap_pleo_export.pleo.errors import (
    CursorRejected,
    Disagreement,
    ItemUnusable,
    JobError,
    JobUnusable,
)
from tap_pleo_export.pleo.pages import Start
from tap_pleo_export.reading.completeness import JobProgress
from tap_pleo_export.reading.ended_jobs import EndedJobs
from tap_pleo_export.reading.ids import JobItemIds, key_of
from tap_pleo_export.reading.jobs import READABLE_STATUSES, ExportJob
from tap_pleo_export.records.shape import encode

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from tap_pleo_export.pleo.api import ExportApi
    from tap_pleo_export.pleo.pages import WalkAhead
    from tap_pleo_export.reading.bookmarks import Bookmarks
    from tap_pleo_export.reading.outcome import RunOutcome
    from tap_pleo_export.records.shape import Page, RecordShape


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are written together.

    Attributes:
        records: What to write.
        written: To be called once all of them have been written: it moves the progress on.
    """

    records: list[Any]
    written: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs and items a run is about (settings of the same names)."""

    job_ids: Sequence[str] = ()
    job_statuses: Sequence[str] = READABLE_STATUSES
    company_id: str | None = None
    item_statuses: Collection[str] = READABLE_STATUSES


@dataclass(slots=True)
class JobCount:
    """What one job's reading came to."""

    items: int = 0
    pages: int = 0
    left_out: int = 0
    unusable: int = 0


@dataclass(kw_only=True)
class ExportReader:
    """One run's walk over the export jobs.

    Args:
        api: Where pages come from.
        shapes: The records' shapes by stream name.
        selection: Which jobs and items.
        bookmarks: Where each job's progress stands; moved on as batches are written.
        outcome: Where failed jobs are counted.
        logger: Where the run is told.
        keep_ids: Whether job items read for their own stream are remembered for the export items.
    """

    api: ExportApi
    shapes: Mapping[str, RecordShape]
    selection: Selection
    bookmarks: Bookmarks
    outcome: RunOutcome
    logger: logging.Logger
    keep_ids: bool = False
    _ids: dict[str, JobItemIds] = field(default_factory=dict, init=False)
    _begun: dict[str, WalkAhead] = field(default_factory=dict, init=False)

    @cached_property
    def jobs(self) -> list[ExportJob]:
        """The run's jobs, oldest first; fetched once."""
        jobs = {job.id.lower(): job for job in self._listed()}
        return sorted(jobs.values(), key=lambda job: job.age_order)

    def export_jobs(self) -> Iterator[Batch]:
        """Yield the jobs' records."""
        yield Batch([job.record for job in self.jobs])

    def export_job_items(self) -> Iterator[Batch]:
        """Yield the job items of every job, page by page."""
        for job in self.jobs:
            with self.outcome.reading(loses_items=self._loses_items(job)):
                if self.keep_ids and job is self.jobs[-1]:
                    self._begin_first()
                ids = JobItemIds()
                yield from self._job_items(job, ids)
                if self.keep_ids and job.readable:
                    self._ids[job.id] = ids

    def export_items(self) -> Iterator[Batch]:
        """Yield the export items of every readable job that is not complete yet, page by page."""
        ended = EndedJobs(self.jobs, self.bookmarks, self.outcome, self.logger, self._fetch_job)
        if self.selection.job_ids:
            ended.name()
        else:
            ended.forget()
        for job in self.jobs:
            if not job.readable or self.outcome.failed(job.id):
                continue
            if self.bookmarks.is_complete(job.id):
                self.logger.info("Export job %s: complete since an earlier run, not read again", job.id)
                continue
            self._warn_of_expiry(job, "before")
            with self.outcome.reading():
                yield from self._export_items(job, self._starting_point(job))
                self._warn_of_expiry(job, "after")

    def _listed(self) -> Iterator[ExportJob]:
        if self.selection.job_ids:
            for job_id in self.selection.job_ids:
                with self.outcome.reading():
                    yield self._fetch_job(job_id)
        else:
            shape = self.shapes["export_jobs"]
            for page in self.api.jobs(shape, self.selection.job_statuses, self.selection.company_id):
                if page.unusable:
                    self.outcome.miss(JobUnusable(page.unusable))
                yield from map(ExportJob.from_record, page.records)

    def _fetch_job(self, job_id: str) -> ExportJob:
        return ExportJob.from_record(self.api.job(self.shapes["export_jobs"], job_id))

    def _job_items(self, job: ExportJob, ids: JobItemIds) -> Iterator[Batch]:
        for number, page in enumerate(self.api.job_items(self.shapes["export_job_items"], job.id), 1):
            if page.unusable:
                ids.unusable += len(page.unusable)
                self.outcome.spoil(ItemUnusable(job.id, f"page {number} of its job items", page.unusable))
            records = []
            for record in page.records:
                if ids.list_item(record.accountingEntryId, record.status or None):
                    if not isinstance(record.exportJobId, str):
                        record.exportJobId = job.id
                    records.append(record)
            self._warn_of_repeats(job, "job items", len(page.records) - len(records))
            for walk in self._begun.values():
                walk.ask()
            yield Batch(records)

    def _export_items(self, job: ExportJob, progress: JobProgress) -> Iterator[Batch]:
        """Read one job's data layer; once more from its first page if a cursor or the ids fail."""
        restarted_for: set[type[JobError]] = set()
        while True:
            ids = self._ids.pop(job.id, None)
            # A job without items has ids, too: none.
            if ids is None:
                if not restarted_for:
                    self._begin(job, progress)
                ids = self._read_ids(job)
            count = JobCount()
            resumed_at = progress.page
            error: CursorRejected | Disagreement
            try:
                for page in self._export_item_pages(job, progress, in_turn=bool(restarted_for)):
                    batch, progress = self._batch(job, page, ids, progress, count)
                    yield batch
            except CursorRejected as rejection:
                error = rejection
            else:
                self._tell(job, count, resumed_at)
                what = None if progress.complete else progress.disagreement(ids)
                if what is None:
                    return
                error = Disagreement(job.id, what)
            # Rows that cannot be read, and are named already, would not be mended by reading on.
            if type(error) in restarted_for or count.unusable or ids.unusable:
                raise error
            restarted_for.add(type(error))
            self.logger.warning("%s. It is read again from its first page", str(error).partition(". ")[0])
            progress = progress.restarted()

    def _export_item_pages(self, job: ExportJob, progress: JobProgress, *, in_turn: bool) -> Iterator[Page]:
        start = Start(progress.cursor, progress.items)
        begun = self._begun.pop(job.id, None)
        return self.api.export_items(self.shapes["export_items"], job.id, start, in_turn=in_turn, begun=begun)

    def _begin_first(self) -> None:
        """Begin to fetch the export items of the job that comes first, where requests are idle meanwhile."""
        for job in self.jobs:
            if self._loses_items(job) and not self.outcome.failed(job.id):
                self._begin(job, self._resumable(job))
                return

    def _begin(self, job: ExportJob, progress: JobProgress) -> None:
        start = Start(progress.cursor, progress.items)
        walk = self.api.export_items_ahead(self.shapes["export_items"], job.id, start)
        walk.ask()
        self._begun = {job.id: walk}

    def _batch(
        self, job: ExportJob, page: Page, ids: JobItemIds, progress: JobProgress, count: JobCount
    ) -> tuple[Batch, JobProgress]:
        """Return a page's batch and the progress once it is written."""
        wanted = self.selection.item_statuses
        job_id = Raw(encode(job.id))
        keys, records = [], []
        for record in page.records:
            id_ = record.accountingEntryId
            key = key_of(id_)
            first, status = ids.show(key, id_)
            if not first:
                continue
            keys.append(key)
            if wanted and status is not None and status not in wanted:
                continue
            record.jobId = job_id
            record.itemStatus = status
            records.append(record)
        count.pages += 1
        count.items += len(keys)
        count.left_out += len(keys) - len(records)
        self._warn_of_repeats(job, "export items", len(page.records) - len(keys))
        following = progress.after_page(page.info.end_cursor, keys)
        if page.unusable:
            count.unusable += len(page.unusable)
            self.outcome.spoil(ItemUnusable(job.id, f"page {following.page}", page.unusable))
        if count.unusable:
            # The next run is to ask for the unusable rows again.
            return Batch(records), following
        if not page.info.has_next_page and following.disagreement(ids) is None:
            following = following.completed()
        return Batch(records, lambda: self.bookmarks.set(job.id, following)), following

    def _read_ids(self, job: ExportJob) -> JobItemIds:
        ids = JobItemIds()
        for _ in self._job_items(job, ids):
            pass
        return ids

    def _starting_point(self, job: ExportJob) -> JobProgress:
        """Return where to go on, and say so if that is the first page because `page_size` changed."""
        progress = self.bookmarks.get(job.id)
        if progress and progress.page_size != self.api.page_size:
            self.logger.warning(
                "Export job %s: 'page_size' was %d and is %d now; it is read again from its first page",
                job.id,
                progress.page_size,
                self.api.page_size,
            )
        return self._resumable(job)

    def _resumable(self, job: ExportJob) -> JobProgress:
        """Return a job's progress as far as a cursor leads on from it."""
        progress, page_size = self.bookmarks.get(job.id), self.api.page_size
        if progress is None or progress.page_size != page_size or progress.cursor is None:
            return JobProgress(page_size)
        return progress

    def _loses_items(self, job: ExportJob) -> bool:
        return job.readable and not self.bookmarks.is_complete(job.id)

    def _warn_of_expiry(self, job: ExportJob, when: str) -> None:
        left = job.minutes_left(datetime.now(UTC))
        if left is not None:
            self.logger.warning("Export job %s: %d minute(s) left to its expiry, %s reading it", job.id, left, when)

    def _warn_of_repeats(self, job: ExportJob, what: str, count: int) -> None:
        if count:
            self.logger.warning("Export job %s: %d %s came more than once, kept once", job.id, count, what)

    def _tell(self, job: ExportJob, count: JobCount, resumed_at: int) -> None:
        self.logger.info(
            "Export job %s: %d item(s) in %d page(s)%s%s",
            job.id,
            count.items,
            count.pages,
            f", {count.left_out} left out by 'item_statuses'" if count.left_out else "",
            f", resumed after page {resumed_at}" if resumed_at else "",
        )
