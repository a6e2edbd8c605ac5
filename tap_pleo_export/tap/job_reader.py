"""Reading one export job: its job items are the ids to expect, its export items are read until all have been seen."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tap_pleo_export.api.entry_keys import key_of
from tap_pleo_export.api.errors import CursorRejected, Disagreement, ItemUnusable, JobError, PagingBroken, WrongJob
from tap_pleo_export.api.jobs import ITEM_STATUSES
from tap_pleo_export.api.paging import FIRST_PAGE, Lookahead, Start
from tap_pleo_export.tap.completeness import MAX_STALLED_PAGES, ChangeDetector, JobProgress, StallDetector, some
from tap_pleo_export.tap.job_item_ids import JobItemIds, unlisted
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_pleo_export.api.jobs import ExportJob
    from tap_pleo_export.api.paging import Listing, Page
    from tap_pleo_export.singer.record_decoder import Record
    from tap_pleo_export.tap.bookmarks import Bookmarks
    from tap_pleo_export.tap.outcome import RunOutcome

logger = logging.getLogger("tap-pleo-export")


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are written together.

    Attributes:
        records: The records.
        job_id: The export job that makes progress with them, if any.
        progress: That job's progress once the records have been written.
    """

    records: list[Record]
    job_id: str | None = None
    progress: JobProgress | None = None


@dataclass(slots=True)
class Reading:
    """One reading of a job's export items, from its first page or from the page after its bookmark.

    Attributes:
        progress: The job's progress once the pages so far have been written.
        ahead: Its pages fetched ahead.
        resumed_at: Number of pages read in earlier runs.
        skipped: Items skipped because of their status.
        unusable: Rows that cannot become records.
    """

    progress: JobProgress
    ahead: Lookahead[Record] | None = None
    resumed_at: int = 0
    items: int = 0
    pages: int = 0
    skipped: int = 0
    unusable: int = 0
    unknown_statuses: Counter[str] = field(default_factory=Counter)
    stall: StallDetector = field(default_factory=StallDetector)


class JobReader:
    """Reads one export job in one run.

    A job may change meanwhile. Any hint of that (a changed ``total``, repeated rows, ids that differ) has the job items
    read again before the job may be called complete.

    Args:
        job: The job.
        job_items: The list of its job items.
        export_items: The list of its export items.
        settings: The settings `item_statuses` and `page_size`.
        bookmarks: The progress of all jobs.
        outcome: Collects failures and counts.
    """

    def __init__(  # noqa: PLR0913 - the parts of one run
        self,
        job: ExportJob,
        *,
        job_items: Listing[Record],
        export_items: Listing[Record],
        settings: Mapping[str, Any],
        bookmarks: Bookmarks,
        outcome: RunOutcome,
    ) -> None:
        self.job = job
        self._job_items = job_items
        self._export_items = export_items
        self._wanted = frozenset(settings["item_statuses"])
        self._page_size: int = settings["page_size"]
        self._bookmarks = bookmarks
        self._outcome = outcome
        self._id_as_json = msgspec.Raw(msgspec.json.encode(job.id))
        self._ids = JobItemIds()
        self._expects_ids = False
        self._stall = StallDetector()
        self._job_items_ahead: Lookahead[Record] | None = None
        self._export_items_ahead: Lookahead[Record] | None = None
        self._changes = ChangeDetector()

    @property
    def due(self) -> bool:
        """Whether its export items are to be read."""
        return self.job.readable and not self._bookmarks.is_complete(self.job.id)

    def job_items(self, *, ahead: bool = True) -> Iterator[Batch]:
        """Yield the job items, page by page.

        Args:
            ahead: Whether to fetch export items meanwhile, where requests are idle.
        """
        due = self.due
        with self._outcome.collect_failures(loses_items=due):
            if ahead and due and not self._outcome.failed(self.job.id):
                self._begin()
            for number, page in self._job_item_pages():
                yield Batch(self._expect(number, page))
            self._check_number_of_items()

    def export_items(self) -> Iterator[Batch]:
        """Yield the export items, page by page, if the job is readable and not complete yet.

        They are read again from the first page, once, if a cursor is rejected or if they differ from the job items.
        """
        if not self.job.readable or self._outcome.failed(self.job.id):
            return
        with self._outcome.collect_failures():
            if not self._expects_ids:
                self._begin()
                self._read_job_items()
            if self._is_still_complete():
                return
            self._warn_of_expiry("before")
            reading = self._first_reading()
            restarted_for: set[type[JobError]] = set()
            while True:
                error: JobError | None
                try:
                    for page in self._export_item_pages(reading):
                        yield self._batch(page, reading)
                    error = self._disagreement(reading)
                except CursorRejected as rejection:
                    error = rejection
                if error is None:
                    break
                if type(error) in restarted_for or not self._repairable(reading):
                    raise error
                restarted_for.add(type(error))
                reading = self._second_reading(reading, error)
            yield Batch([], self.job.id, reading.progress.completed() if self._repairable(reading) else None)
            self._warn_of_expiry("after")

    def _begin(self) -> None:
        """Fetch export items where requests are idle while job items are awaited."""
        if self.due:
            self._export_items_ahead = self._look_ahead(self._export_items, _start_after(self._resumable()))
            self._export_items_ahead.begin()

    def _look_ahead(self, listing: Listing[Record], start: Start = FIRST_PAGE) -> Lookahead[Record]:
        def warn(reason: str) -> None:
            logger.warning("Export job %s: pages are read in turn from here on: %s", self.job.id, reason)

        return Lookahead(listing, start, warn)

    def _job_item_pages(self) -> Iterator[tuple[int, Page[Record]]]:
        """Read the job items from their first page, and expect no ids but theirs."""
        self._ids = JobItemIds()
        self._expects_ids = True
        self._stall = StallDetector()
        self._job_items_ahead = self._look_ahead(self._job_items)
        return enumerate(self._job_items.pages(ahead=self._job_items_ahead), 1)

    def _read_job_items(self) -> None:
        for number, page in self._job_item_pages():
            self._expect(number, page)

    def _expect(self, number: int, page: Page[Record]) -> list[Record]:
        """Expect the ids of a page of job items, and return its new records."""
        if page.unusable:
            self._ids.unusable += len(page.unusable)
            self._skip(f"page {number} of its job items", page)
        records = []
        for record in page.records:
            named = record.exportJobId
            if not isinstance(named, str):
                # It is part of the key.
                record.exportJobId = self.job.id
            elif named != self.job.id and named.lower() != self.job.id.lower():
                raise WrongJob(self.job.id, "one of its job items", named)
            if self._ids.expect(record.accountingEntryId, record.status or None):
                records.append(record)
        self._check_page("job items", page, len(records), self._stall, self._job_items_ahead)
        if self._export_items_ahead:
            self._export_items_ahead.advance()
        return records

    def _check_number_of_items(self) -> None:
        listed = len(self._ids) + self._ids.unusable
        if self.job.number_of_items is not None and self.job.number_of_items > listed:
            logger.warning(
                "Export job %s: Pleo counts %d items, but lists %d job items",
                self.job.id,
                self.job.number_of_items,
                listed,
            )

    def _is_still_complete(self) -> bool:
        """Return whether the job was complete and its job items are still the ones read then."""
        progress = self._bookmarks.get(self.job.id)
        if progress is None or not progress.complete:
            return False
        # Unusable job items say nothing about the others; they are logged already.
        difference = None if self._ids.unusable else progress.disagreement(self._ids)
        if difference is None:
            logger.info("Export job %s: complete since an earlier run, not read again", self.job.id)
            return True
        logger.warning(
            "Export job %s: it has changed since it was read to its end (%s); it is read again from its first page",
            self.job.id,
            difference,
        )
        self._bookmarks.drop(self.job.id)
        return False

    def _first_reading(self) -> Reading:
        """Return the reading that continues after the bookmark, or starts at the first page if there is none."""
        progress = self._bookmarks.get(self.job.id)
        if progress and progress.page_size != self._page_size:
            logger.warning(
                "Export job %s: 'page_size' was %d and is %d now; it is read again from its first page",
                self.job.id,
                progress.page_size,
                self._page_size,
            )
        progress = self._resumable()
        ahead = self._export_items_ahead or self._look_ahead(self._export_items, _start_after(progress))
        return Reading(progress, ahead, resumed_at=progress.page)

    def _resumable(self) -> JobProgress:
        """Return the job's progress if a cursor leads on from it, else none."""
        progress = self._bookmarks.get(self.job.id)
        if progress is None or progress.page_size != self._page_size or progress.cursor is None:
            return JobProgress(self._page_size)
        return progress

    def _export_item_pages(self, reading: Reading) -> Iterator[Page[Record]]:
        return self._export_items.pages(_start_after(reading.progress), reading.ahead)

    def _batch(self, page: Page[Record], reading: Reading) -> Batch:
        """Return a page's batch, and note the progress that it makes."""
        keys: list[bytes] = []
        records: list[Record] = []
        for record in page.records:
            id_ = record.accountingEntryId
            key = key_of(id_)
            first, status = self._ids.see(key, id_)
            if not first:
                continue
            keys.append(key if status is not None or self._ids.lists(key) else unlisted(key))
            if not self._wanted or status is None or status in self._wanted:
                record.jobId, record.itemStatus = self._id_as_json, status
                records.append(record)
            elif status not in ITEM_STATUSES:
                reading.unknown_statuses[status] += 1
        reading.pages += 1
        reading.items += len(keys)
        reading.skipped += len(keys) - len(records)
        self._outcome.pages += 1
        self._outcome.items += len(keys)
        self._check_page("export items", page, len(keys), reading.stall, reading.ahead)
        reading.progress = reading.progress.after_page(page.info.end_cursor, keys)
        if page.unusable:
            reading.unusable += len(page.unusable)
            self._skip(f"page {reading.progress.page}", page)
        if reading.unusable:
            # The next run is to ask for the unusable rows again.
            return Batch(records)
        at_the_end = not page.info.has_next_page and not self._changes.hinted
        if at_the_end and reading.progress.disagreement(self._ids) is None:
            reading.progress = reading.progress.completed()
        return Batch(records, self.job.id, reading.progress)

    def _disagreement(self, reading: Reading) -> Disagreement | None:
        """Return how the export items just read and the job items differ, or None.

        Unless nothing hints at a change, the job items are read again: the job may have changed meanwhile.
        """
        self._log(reading)
        if reading.progress.complete:
            return None
        # Reading on would not repair unusable rows.
        if self._repairable(reading):
            earlier = self._ids
            for number, page in self._job_item_pages():
                self._expect(number, page)
            self._ids.merge_seen(earlier)
        late = self._ids.matched_late
        difference = (
            f"{len(late)} export item(s) came before their job items: {some(late)}"
            if late
            else reading.progress.disagreement(self._ids)
        )
        return Disagreement(self.job.id, difference) if difference else None

    def _repairable(self, reading: Reading) -> bool:
        return not (reading.unusable or self._ids.unusable)

    def _second_reading(self, first: Reading, error: JobError) -> Reading:
        """Return the reading that starts again at the first page, because of an error."""
        logger.warning("%s. It is read again from its first page", str(error).partition(". ")[0])
        if isinstance(error, CursorRejected):
            for number, page in self._job_item_pages():
                self._expect(number, page)
        else:
            # The job items have just been read.
            self._ids.reset_seen()
        self._changes = ChangeDetector()
        return Reading(first.progress.restarted())

    def _skip(self, where: str, page: Page[Record]) -> None:
        self._outcome.record_skipped_items(ItemUnusable(self.job.id, where, page.unusable))

    def _check_page(
        self, name: str, page: Page[Record], new: int, stall: StallDetector, ahead: Lookahead[Record] | None
    ) -> None:
        """Warn of rows that were on earlier pages, and note hints of a change.

        Raises:
            PagingBroken: Too many pages in a row without a new id.
        """
        repeated = len(page.records) - new
        if repeated:
            logger.warning("Export job %s: %d %s came more than once, kept once", self.job.id, repeated, name)
        self._changes.after_page(name, page, repeated)
        # A page fetched ahead did not fit: something may have changed.
        self._changes.hinted |= ahead is not None and ahead.gave_up
        if stall.after_page(new):
            raise PagingBroken(self.job.id, f"{MAX_STALLED_PAGES} pages of {name} in a row without a new id")

    def _log(self, reading: Reading) -> None:
        logger.info(
            "Export job %s: %d item(s) in %d page(s)%s%s",
            self.job.id,
            reading.items,
            reading.pages,
            f", {reading.skipped} skipped because of 'item_statuses'" if reading.skipped else "",
            f", resumed after page {reading.resumed_at}" if reading.resumed_at else "",
        )
        if reading.unknown_statuses:
            logger.warning(
                "Export job %s: skipped %d item(s) with unknown status %s. Set 'item_statuses' to [] to include them",
                self.job.id,
                reading.unknown_statuses.total(),
                one_line(some(list(reading.unknown_statuses))),
            )

    def _warn_of_expiry(self, when: str) -> None:
        left = self.job.minutes_left(datetime.now(UTC))
        if left is not None:
            logger.warning("Export job %s: expires in %d minute(s), %s reading it", self.job.id, left, when)


def _start_after(progress: JobProgress) -> Start:
    return Start(progress.cursor, progress.items)
