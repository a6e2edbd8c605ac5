"""Reading one export job: its job items say what to expect, its export items are read until all has been seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tap_pleo_export.pleo.errors import CursorRejected, Disagreement, ItemUnusable, JobError
from tap_pleo_export.pleo.pages import Start
from tap_pleo_export.reading.completeness import JobProgress
from tap_pleo_export.reading.ids import JobItemIds, key_of
from tap_pleo_export.reading.records import complete_export_item, complete_job_item
from tap_pleo_export.reading.source import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.pleo.pages import Lookahead
    from tap_pleo_export.reading.jobs import ExportJob
    from tap_pleo_export.reading.run import Run
    from tap_pleo_export.records.shape import Page


@dataclass(slots=True)
class Counts:
    """What one reading of a job's export items came to."""

    items: int = 0
    pages: int = 0
    left_out: int = 0
    unusable: int = 0


class JobReading:
    """One export job's reading in one run.

    Attributes:
        job: The job.
    """

    def __init__(self, run: Run, job: ExportJob) -> None:
        self.job = job
        self._run = run
        self._context = {"jobId": job.id}
        self._id_as_json = msgspec.Raw(msgspec.json.encode(job.id))
        self._ids: JobItemIds | None = None
        self._lookahead: Lookahead | None = None

    def begin(self) -> None:
        """Have export items fetched where requests are idle while job items are awaited."""
        self._lookahead = self._run.export_items.lookahead(self._context, _start_after(self._resumable()))
        self._lookahead.begin()

    def job_items(self) -> Iterator[Batch]:
        """Yield the job items, page by page, and expect their ids.

        Raises:
            JobError: They cannot be read to the end.
        """
        ids = JobItemIds()
        yield from self._expect(ids)
        self._ids = ids

    def export_items(self) -> Iterator[Batch]:
        """Yield the export items, page by page; once more from the first page if a cursor or the ids fail.

        Raises:
            JobError: They cannot be read to the end, or differ from the job items twice.
        """
        progress = self._starting_point()
        if self._ids is None:
            # Job items are no stream of this run: their reading begins here.
            self.begin()
        ids = self._read_ids() if self._ids is None else self._ids
        restarted_for: set[type[JobError]] = set()
        while True:
            counts = Counts()
            resumed_at = progress.page
            lookahead, self._lookahead = self._lookahead, None
            error: CursorRejected | Disagreement
            try:
                for page in self._run.export_items.pages(self._context, _start_after(progress), lookahead):
                    batch, progress = self._batch(page, ids, progress, counts)
                    yield batch
            except CursorRejected as rejection:
                error = rejection
            else:
                self._log_counts(counts, resumed_at)
                difference = None if progress.complete else progress.disagreement(ids)
                if difference is None:
                    return
                error = Disagreement(self.job.id, difference)
            # Rows that cannot be read, and are named already, would not be mended by reading on.
            if type(error) in restarted_for or counts.unusable or ids.unusable:
                raise error
            restarted_for.add(type(error))
            self._run.logger.warning("%s. It is read again from its first page", str(error).partition(". ")[0])
            progress, ids = progress.restarted(), self._read_ids()

    def _expect(self, ids: JobItemIds) -> Iterator[Batch]:
        source = self._run.export_job_items
        for number, page in enumerate(source.pages(self._context, lookahead=source.lookahead(self._context)), 1):
            if page.unusable:
                ids.unusable += len(page.unusable)
                self._leave_out(f"page {number} of its job items", page)
            records = [
                complete_job_item(record, self.job.id)
                for record in page.records
                if ids.expect(record.accountingEntryId, record.status or None)
            ]
            self._warn_of_repeats("job items", len(page.records) - len(records))
            if self._lookahead:
                self._lookahead.go_on()
            yield Batch(records)

    def _read_ids(self) -> JobItemIds:
        ids = JobItemIds()
        for _ in self._expect(ids):
            pass
        return ids

    def _batch(self, page: Page, ids: JobItemIds, progress: JobProgress, counts: Counts) -> tuple[Batch, JobProgress]:
        """Return a page's batch, and the progress once it is written."""
        wanted = self._run.scope.item_statuses
        keys: list[bytes] = []
        records: list[Any] = []
        for record in page.records:
            id_ = record.accountingEntryId
            key = key_of(id_)
            first, status = ids.see(key, id_)
            if not first:
                continue
            keys.append(key)
            if not wanted or status is None or status in wanted:
                records.append(complete_export_item(record, self._id_as_json, status))
        counts.pages += 1
        counts.items += len(keys)
        counts.left_out += len(keys) - len(records)
        self._warn_of_repeats("export items", len(page.records) - len(keys))
        following = progress.after_page(page.info.end_cursor, keys)
        if page.unusable:
            counts.unusable += len(page.unusable)
            self._leave_out(f"page {following.page}", page)
        if counts.unusable:
            # The next run is to ask for the unusable rows again.
            return Batch(records), following
        if not page.info.has_next_page and following.disagreement(ids) is None:
            following = following.completed()
        return Batch(records, self.job.id, following), following

    def _starting_point(self) -> JobProgress:
        """Return where to go on, and say so if that is the first page because `page_size` changed."""
        progress, page_size = self._run.bookmarks.get(self.job.id), self._run.page_size
        if progress and progress.page_size != page_size:
            self._run.logger.warning(
                "Export job %s: 'page_size' was %d and is %d now; it is read again from its first page",
                self.job.id,
                progress.page_size,
                page_size,
            )
        return self._resumable()

    def _resumable(self) -> JobProgress:
        """Return the job's progress as far as a cursor leads on from it."""
        progress, page_size = self._run.bookmarks.get(self.job.id), self._run.page_size
        if progress is None or progress.page_size != page_size or progress.cursor is None:
            return JobProgress(page_size)
        return progress

    def _leave_out(self, where: str, page: Page) -> None:
        self._run.outcome.leave_out_items(ItemUnusable(self.job.id, where, page.unusable))

    def _warn_of_repeats(self, what: str, count: int) -> None:
        if count:
            self._run.logger.warning("Export job %s: %d %s came more than once, kept once", self.job.id, count, what)

    def _log_counts(self, counts: Counts, resumed_at: int) -> None:
        self._run.logger.info(
            "Export job %s: %d item(s) in %d page(s)%s%s",
            self.job.id,
            counts.items,
            counts.pages,
            f", {counts.left_out} left out by 'item_statuses'" if counts.left_out else "",
            f", resumed after page {resumed_at}" if resumed_at else "",
        )


def _start_after(progress: JobProgress) -> Start:
    return Start(progress.cursor, progress.items)
