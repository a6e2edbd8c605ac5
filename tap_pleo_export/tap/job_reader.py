"""Reading one export job: its job items are the ids to expect, its export items are read until all have been seen."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from tap_pleo_export.api.entry_keys import key_of
from tap_pleo_export.api.errors import CursorRejected, Disagreement, ItemUnusable, JobError, PagingBroken, WrongJob
from tap_pleo_export.api.jobs import ITEM_STATUSES
from tap_pleo_export.api.paging import FIRST_PAGE, Lookahead, Start
from tap_pleo_export.tap.completeness import MAX_STALLED_PAGES, ChangeDetector, JobProgress, StallDetector, some
from tap_pleo_export.tap.job_item_ids import JobItemIds, unlisted

if TYPE_CHECKING:
    from tap_pleo_export.api.jobs import ExportJob
    from tap_pleo_export.api.paging import Listing, Page
    from tap_pleo_export.singer.record_decoder import Record
    from tap_pleo_export.tap.bookmarks import Bookmarks
    from tap_pleo_export.tap.outcome import RunOutcome

logger = logging.getLogger("tap-pleo-export")


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are written together, and the progress that an export job has made once they are written."""

    records: list[Record]
    job_id: str | None = None
    progress: JobProgress | None = None


@dataclass(slots=True)
class Reading:
    """One reading of a job's export items, from its first page or from the page after its bookmark.

    Attributes:
        progress: The job's progress once the pages so far have been written.
        resumed_at: Number of pages read in earlier runs.
        skipped: Number of items skipped because of their status.
        unusable: Number of rows that cannot become records.
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


@dataclass(kw_only=True)
class JobReader:
    """Reads one export job in one run.

    A job may change meanwhile. Any hint of that (a changed ``total``, repeated rows, ids that differ) has the job items
    read again before the job may be called complete.
    """

    job: ExportJob
    job_item_pages: Listing[Record]
    export_item_pages: Listing[Record]
    settings: Mapping[str, Any]
    bookmarks: Bookmarks
    outcome: RunOutcome
    _ids: JobItemIds = field(default_factory=JobItemIds, init=False)
    _ids_expected: bool = field(default=False, init=False)
    _export_items_ahead: Lookahead[Record] | None = field(default=None, init=False)
    _changes: ChangeDetector = field(default_factory=ChangeDetector, init=False)

    def __post_init__(self) -> None:
        self._wanted = frozenset(self.settings["item_statuses"])
        self._id_as_json = msgspec.Raw(msgspec.json.encode(self.job.id))

    @property
    def due(self) -> bool:
        """Whether its export items are to be read."""
        return self.job.readable and not self.bookmarks.is_complete(self.job.id)

    def job_items(self, *, ahead: bool = True) -> Iterator[Batch]:
        """Yield the job items, page by page; `ahead` fetches export items meanwhile, where requests are idle."""
        with self.outcome.collect_failures(loses_items=self.due):
            if ahead and not self.outcome.failed(self.job.id):
                self._begin()
            for records in self._read_job_items():
                yield Batch(records)
            listed = len(self._ids) + self._ids.unusable
            if self.job.number_of_items is not None and self.job.number_of_items > listed:
                self._warn("Pleo counts %d items, but lists %d job items", self.job.number_of_items, listed)

    def export_items(self) -> Iterator[Batch]:
        """Yield the export items, page by page, if the job is readable and not complete yet.

        They are read again from the first page, once, if a cursor is rejected or if they differ from the job items.
        """
        if not self.job.readable or self.outcome.failed(self.job.id):
            return
        with self.outcome.collect_failures():
            if not self._ids_expected:
                self._begin()
                exhaust(self._read_job_items())
            if self._is_still_complete():
                return
            self._warn_of_expiry("before")
            reading = self._first_reading()
            restarted_for: set[type[JobError]] = set()
            while True:
                error: JobError | None
                try:
                    for page in self.export_item_pages.pages(_start_after(reading.progress), reading.ahead):
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
            self._export_items_ahead = self._look_ahead(self.export_item_pages, _start_after(self._resumable()))
            self._export_items_ahead.begin()

    def _look_ahead(self, listing: Listing[Record], start: Start = FIRST_PAGE) -> Lookahead[Record]:
        return Lookahead(listing, start, partial(self._warn, "pages are read in turn from here on: %s"))

    def _read_job_items(self) -> Iterator[list[Record]]:
        """Read the job items from their first page, expect their ids only, and yield each page's new records."""
        self._ids = ids = JobItemIds()
        self._ids_expected = True
        stall, ahead = StallDetector(), self._look_ahead(self.job_item_pages)
        for number, page in enumerate(self.job_item_pages.pages(ahead=ahead), 1):
            if page.unusable:
                ids.unusable += len(page.unusable)
                where = f"page {number} of its job items"
                self.outcome.record_skipped_items(ItemUnusable(self.job.id, where, page.unusable))
            records = list(filter(self._expect, page.records))
            self._check_page("job items", page, len(records), stall, ahead)
            if self._export_items_ahead:
                self._export_items_ahead.advance()
            yield records

    def _expect(self, record: Record) -> bool:
        """Expect a job item's id; return whether it is new."""
        named = record.exportJobId
        if not isinstance(named, str):
            # It is part of the key.
            record.exportJobId = self.job.id
        elif named != self.job.id and named.lower() != self.job.id.lower():
            raise WrongJob(self.job.id, "one of its job items", named)
        return self._ids.expect(record.accountingEntryId, record.status or None)

    def _is_still_complete(self) -> bool:
        """Return whether the job was complete and its job items are still the ones read then."""
        progress = self.bookmarks.get(self.job.id)
        if progress is None or not progress.complete:
            return False
        # Unusable job items say nothing about the others; they are logged already.
        difference = None if self._ids.unusable else progress.disagreement(self._ids)
        if difference is None:
            logger.info("Export job %s: complete since an earlier run, not read again", self.job.id)
            return True
        self._warn("it has changed since it was read to its end (%s); it is read again from its first page", difference)
        self.bookmarks.drop(self.job.id)
        return False

    def _first_reading(self) -> Reading:
        """Return the reading that continues after the bookmark, or starts at the first page without one."""
        noted, page_size = self.bookmarks.get(self.job.id), self.settings["page_size"]
        if noted and noted.page_size != page_size:
            again = "'page_size' was %d and is %d now; it is read again from its first page"
            self._warn(again, noted.page_size, page_size)
        progress = self._resumable()
        ahead = self._export_items_ahead or self._look_ahead(self.export_item_pages, _start_after(progress))
        return Reading(progress, ahead, resumed_at=progress.page)

    def _resumable(self) -> JobProgress:
        """Return the job's progress if a cursor leads on from it, else none."""
        progress, page_size = self.bookmarks.get(self.job.id), self.settings["page_size"]
        if progress is None or progress.page_size != page_size or progress.cursor is None:
            return JobProgress(page_size)
        return progress

    def _batch(self, page: Page[Record], reading: Reading) -> Batch:
        """Return a page's batch, and note the progress that it makes."""
        ids, wanted = self._ids, self._wanted
        keys: list[bytes] = []
        records: list[Record] = []
        for record in page.records:
            id_ = record.accountingEntryId
            key = key_of(id_)
            first, status = ids.see(key, id_)
            if not first:
                continue
            keys.append(key if status is not None or ids.lists(key) else unlisted(key))
            if not wanted or status is None or status in wanted:
                record.jobId, record.itemStatus = self._id_as_json, status
                records.append(record)
            elif status not in ITEM_STATUSES:
                reading.unknown_statuses[status] += 1
        reading.pages += 1
        reading.items += len(keys)
        reading.skipped += len(keys) - len(records)
        self.outcome.pages += 1
        self.outcome.items += len(keys)
        self._check_page("export items", page, len(keys), reading.stall, reading.ahead)
        reading.progress = reading.progress.after_page(page.info.end_cursor, keys)
        if page.unusable:
            reading.unusable += len(page.unusable)
            where = f"page {reading.progress.page}"
            self.outcome.record_skipped_items(ItemUnusable(self.job.id, where, page.unusable))
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
            exhaust(self._read_job_items())
            self._ids.merge_seen(earlier)
        if late := self._ids.matched_late:
            difference = f"{len(late)} export item(s) came before their job items: {some(late)}"
            return Disagreement(self.job.id, difference)
        found = reading.progress.disagreement(self._ids)
        return Disagreement(self.job.id, found) if found else None

    def _repairable(self, reading: Reading) -> bool:
        return not (reading.unusable or self._ids.unusable)

    def _second_reading(self, first: Reading, error: JobError) -> Reading:
        """Return the reading that starts again at the first page, because of an error."""
        logger.warning("%s. It is read again from its first page", str(error).partition(". ")[0])
        if isinstance(error, CursorRejected):
            exhaust(self._read_job_items())
        else:
            # The job items have just been read.
            self._ids.reset_seen()
        self._changes = ChangeDetector()
        return Reading(first.progress.restarted())

    def _check_page(
        self, name: str, page: Page[Record], new: int, stall: StallDetector, ahead: Lookahead[Record] | None
    ) -> None:
        """Warn of rows that were on earlier pages, note hints of a change, and stop at endless pages."""
        repeated = len(page.records) - new
        if repeated:
            self._warn("%d %s came more than once, kept once", repeated, name)
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
        if unknown := reading.unknown_statuses:
            skipped = "skipped %d item(s) with unknown status %s. Set 'item_statuses' to [] to include them"
            self._warn(skipped, unknown.total(), some(unknown))

    def _warn_of_expiry(self, when: str) -> None:
        left = self.job.minutes_left(datetime.now(UTC))
        if left is not None:
            self.outcome.expiring.add(self.job.id)
            self._warn("expires in %d minute(s), %s reading it", left, when)

    def _warn(self, message: str, *values: object) -> None:
        logger.warning(f"Export job %s: {message}", self.job.id, *values)  # noqa: G004 - the message is a format


def exhaust(pages: Iterator[object]) -> None:
    """Read pages to their end, for their effect."""
    deque(pages, maxlen=0)


def _start_after(progress: JobProgress) -> Start:
    return Start(progress.cursor, progress.items)
