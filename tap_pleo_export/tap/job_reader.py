"""Reading one export job: its job items say what to expect, its export items are read until all has been seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from tap_pleo_export.api.entry_keys import key_of
from tap_pleo_export.api.errors import CursorRejected, Disagreement, ItemUnusable, JobError, PagingBroken, WrongJob
from tap_pleo_export.api.jobs import ITEM_STATUSES
from tap_pleo_export.api.paging import Start
from tap_pleo_export.tap.change_detection import MOST_IDLE_PAGES, Changes, Idling
from tap_pleo_export.tap.completeness import JobProgress, some
from tap_pleo_export.tap.job_item_ids import JobItemIds, unlisted
from tap_pleo_export.tap.records import complete_export_item, complete_job_item
from tap_pleo_export.tap.source import Batch
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tap_pleo_export.api.jobs import ExportJob
    from tap_pleo_export.api.paging import Lookahead
    from tap_pleo_export.singer.record_decoder import Page
    from tap_pleo_export.tap.run import Run


@dataclass(slots=True)
class Counts:
    """What one reading of a job's export items came to."""

    items: int = 0
    pages: int = 0
    left_out: int = 0
    unusable: int = 0
    unknown_statuses: Counter[str] = field(default_factory=Counter)
    idling: Idling = field(default_factory=Idling)


class JobReading:
    """One export job's reading in one run.

    A job may change meanwhile. Anything that hints at it (a changed ``total``, rows that came twice, ids that differ)
    has the job items read again before the job may be called complete.

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
        self._changes = Changes()

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
        if self.job.number_of_items is not None and self.job.number_of_items > len(ids) + ids.unusable:
            self._run.logger.warning(
                "Export job %s: it says that it has %d items, but %d job items are listed",
                self.job.id,
                self.job.number_of_items,
                len(ids) + ids.unusable,
            )

    def has_changed(self, complete: JobProgress) -> str | None:
        """Return how the job items differ from what was read when the job was completed, or None.

        Raises:
            JobError: They cannot be read to the end.
        """
        ids = self._expected()
        # Job items that cannot be read say nothing about the others; they are named already.
        return None if ids.unusable else complete.disagreement(ids)

    def export_items(self) -> Iterator[Batch]:
        """Yield the export items, page by page; once more from the first page if a cursor or the ids fail.

        Raises:
            JobError: They cannot be read to the end, or differ from the job items twice.
        """
        progress = self._starting_point()
        if self._lookahead is None:
            self.begin()
        ids = self._expected()
        restarted_for: set[type[JobError]] = set()
        while True:
            counts = Counts()
            error: CursorRejected | Disagreement
            try:
                progress = yield from self._pages(progress, ids, counts)
            except CursorRejected as rejection:
                error = rejection
            else:
                if progress.complete:
                    return
                # Rows that cannot be read, and are named already, would not be mended by reading on.
                mendable = not (counts.unusable or ids.unusable)
                if mendable:
                    ids = self._expected_now(ids)
                difference = self._difference(progress, ids)
                if difference is None:
                    yield Batch([], self.job.id, progress.completed() if mendable else None)
                    return
                error = Disagreement(self.job.id, difference)
            if type(error) in restarted_for or counts.unusable or ids.unusable:
                raise error
            restarted_for.add(type(error))
            self._run.logger.warning("%s. It is read again from its first page", str(error).partition(". ")[0])
            progress = progress.restarted()
            # Those that were compared last have just been read.
            ids = self._read_ids() if isinstance(error, CursorRejected) else ids.unseen()
            self._changes = Changes()

    def _pages(self, progress: JobProgress, ids: JobItemIds, counts: Counts) -> Generator[Batch, None, JobProgress]:
        """Yield a batch for each page from where the progress stands, and return the progress after the last."""
        resumed_at = progress.page
        lookahead, self._lookahead = self._lookahead, None
        for page in self._run.export_items.pages(self._context, _start_after(progress), lookahead):
            # A page that was fetched ahead did not fit: something may have changed.
            self._changes.hinted |= lookahead is not None and lookahead.gave_up
            batch, progress = self._batch(page, ids, progress, counts)
            yield batch
        self._log_counts(counts, resumed_at)
        return progress

    def _difference(self, progress: JobProgress, ids: JobItemIds) -> str | None:
        if ids.late:
            return f"{len(ids.late)} export item(s) came before their job items: {some(ids.late)}"
        return progress.disagreement(ids)

    def _expected_now(self, before: JobItemIds) -> JobItemIds:
        """Return the ids to expect once all pages have been read, for the job may have changed meanwhile."""
        now = self._read_ids()
        now.take_over(before)
        return now

    def _expect(self, ids: JobItemIds) -> Iterator[Batch]:
        source, idling = self._run.export_job_items, Idling()
        lookahead = source.lookahead(self._context)
        for number, page in enumerate(source.pages(self._context, lookahead=lookahead), 1):
            if page.unusable:
                ids.unusable += len(page.unusable)
                self._leave_out(f"page {number} of its job items", page)
            records = []
            for record in page.records:
                named = record.exportJobId
                if named != self.job.id and isinstance(named, str) and named.lower() != self.job.id.lower():
                    raise WrongJob(self.job.id, "one of its job items", named)
                if ids.expect(record.accountingEntryId, record.status or None):
                    records.append(complete_job_item(record, self.job.id))
            self._look_at("job items", page, len(records), idling)
            if self._lookahead:
                self._lookahead.go_on()
            yield Batch(records)
        self._changes.hinted |= lookahead.gave_up

    def _expected(self) -> JobItemIds:
        """Return the ids to expect; read now if job items are no stream of this run."""
        if self._ids is None:
            self._ids = self._read_ids()
        return self._ids

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
            keys.append(key if status is not None or ids.lists(key) else unlisted(key))
            if not wanted or status is None or status in wanted:
                records.append(complete_export_item(record, self._id_as_json, status))
            elif status not in ITEM_STATUSES:
                counts.unknown_statuses[status] += 1
        counts.pages += 1
        counts.items += len(keys)
        counts.left_out += len(keys) - len(records)
        self._look_at("export items", page, len(keys), counts.idling)
        following = progress.after_page(page.info.end_cursor, keys)
        if page.unusable:
            counts.unusable += len(page.unusable)
            self._leave_out(f"page {following.page}", page)
        if counts.unusable:
            # The next run is to ask for the unusable rows again.
            return Batch(records), following
        if not page.info.has_next_page and not self._changes.hinted and following.disagreement(ids) is None:
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

    def _look_at(self, what: str, page: Page, new: int, idling: Idling) -> None:
        """Warn of rows that came before, and note what hints at a change."""
        repeated = len(page.records) - new
        if repeated:
            self._run.logger.warning("Export job %s: %d %s came more than once, kept once", self.job.id, repeated, what)
        self._changes.after_page(what, page, repeated)
        if idling.after_page(new):
            raise PagingBroken(self.job.id, f"{MOST_IDLE_PAGES} pages of {what} in a row without a new id")

    def _log_counts(self, counts: Counts, resumed_at: int) -> None:
        self._run.logger.info(
            "Export job %s: %d item(s) in %d page(s)%s%s",
            self.job.id,
            counts.items,
            counts.pages,
            f", {counts.left_out} left out by 'item_statuses'" if counts.left_out else "",
            f", resumed after page {resumed_at}" if resumed_at else "",
        )
        if counts.unknown_statuses:
            self._run.logger.warning(
                "Export job %s: %d item(s) left out by 'item_statuses', for their status is none that is known: %s. "
                "Set it to [] to read them",
                self.job.id,
                counts.unknown_statuses.total(),
                one_line(some(list(counts.unknown_statuses))),
            )


def _start_after(progress: JobProgress) -> Start:
    return Start(progress.cursor, progress.items)
