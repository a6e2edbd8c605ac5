"""When a page counts as done, when an export job counts as complete, and what hints at changes. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tap_pleo_export.tap.job_item_ids import DIGEST_MODULUS, digest_of
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from tap_pleo_export.api.paging import Page
    from tap_pleo_export.tap.job_item_ids import JobItemIds

NAMED_IDS = 10
MAX_STALLED_PAGES = 100


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far one export job's export items have been read and written.

    Attributes:
        page_size: The ``limit`` of the page requests; a cursor is valid for no other.
        page: Pages whose records have all been written.
        cursor: ``endCursor`` of the last of them; None before the first and after an only page without one.
        items: Distinct items seen in them, written or skipped because of their status.
        digest: Sum of the items' digests, see :func:`tap_pleo_export.tap.job_item_ids.digest_of`.
        complete: Every job item's export item has been seen.
    """

    page_size: int
    page: int = 0
    cursor: str | None = None
    items: int = 0
    digest: int = 0
    complete: bool = False

    def after_page(self, end_cursor: str | None, keys: Iterable[bytes]) -> JobProgress:
        """Return the progress after another page, with the keys of the items that it showed for the first time."""
        shares = [digest_of(key) for key in keys]
        return replace(
            self,
            page=self.page + 1,
            cursor=end_cursor,
            items=self.items + len(shares),
            digest=(self.digest + sum(shares)) % DIGEST_MODULUS,
        )

    def restarted(self) -> JobProgress:
        """Return the progress of a job that is read again from its first page."""
        return JobProgress(self.page_size)

    def completed(self) -> JobProgress:
        """Return the progress of a job whose items have all been seen."""
        return replace(self, complete=True)

    def disagreement(self, ids: JobItemIds) -> str | None:
        """Return how the export items read and the job items differ, or None if they list the same ids.

        Counts and digests decide, so that pages read in an earlier run count too. Ids are named as far as this run
        knows them, at most ten of each kind.
        """
        if not ids.unusable and self.items == len(ids) and (ids.all_seen or self.digest == ids.digest()):
            return None
        missing = list(ids.missing())
        unexpected = ids.unexpected
        parts = {
            f"{len(ids)} job items, {self.items} export items": True,
            f"{ids.unusable} of the job items unusable": ids.unusable,
            f"{len(missing)} without an export item: {some(missing)}": missing,
            f"{len(unexpected)} without a job item: {some(unexpected)}": unexpected,
        }
        return "; ".join(part for part, applies in parts.items() if applies)


@dataclass(slots=True)
class ChangeDetector:
    """Notices hints that a job changes while it is read: a ``total`` that differs from page to page, repeated rows."""

    hinted: bool = False
    _totals: dict[str, int] = field(default_factory=dict)

    def after_page(self, listing: str, page: Page[Any], repeated: int) -> None:
        """Look at a page of a list; `repeated` is the number of its rows that were on earlier pages."""
        total = page.info.total
        changed = isinstance(total, int) and self._totals.setdefault(listing, total) != total
        self.hinted = self.hinted or changed or repeated > 0


@dataclass(slots=True)
class StallDetector:
    """Counts consecutive pages without anything new."""

    pages: int = 0

    def after_page(self, new: int) -> bool:
        """Return whether there have been too many of them in a row."""
        self.pages = 0 if new else self.pages + 1
        return self.pages >= MAX_STALLED_PAGES


def some(ids: Collection[str]) -> str:
    """Return at most ten ids for a message, each on one line and cut, because they come from Pleo."""
    shown = ", ".join(map(one_line, sorted(ids)[:NAMED_IDS]))
    return shown if len(ids) <= NAMED_IDS else f"{shown}, …"
