"""When a page counts as done and when an export job counts as complete. Pure: no Singer, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tap_pleo_export.tap.job_item_ids import DIGEST_MODULUS, digest_of
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_pleo_export.tap.job_item_ids import JobItemIds

NAMED_IDS = 10


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far one export job's export items have been read and written.

    Attributes:
        page_size: The ``limit`` that the pages were asked with; a cursor is good for no other.
        page: Pages whose records have all been written.
        cursor: ``endCursor`` of the last of them; None before the first and after an only page without one.
        items: Distinct items seen in them, written or left out by their status.
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
        """Return the progress once another page's records have all been written.

        Args:
            end_cursor: The page's ``endCursor``.
            keys: Keys of the items that the page showed for the first time.
        """
        shares = [digest_of(key) for key in keys]
        return replace(
            self,
            page=self.page + 1,
            cursor=end_cursor,
            items=self.items + len(shares),
            digest=(self.digest + sum(shares)) % DIGEST_MODULUS,
        )

    def restarted(self, page_size: int | None = None) -> JobProgress:
        """Return the progress of a job that is read again from its first page."""
        return JobProgress(page_size=page_size or self.page_size)

    def completed(self) -> JobProgress:
        """Return the progress of a job all of whose items have been seen."""
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
        parts = [f"{len(ids)} job items, {self.items} export items"]
        if ids.unusable:
            parts.append(f"{ids.unusable} of the job items unusable")
        if missing:
            parts.append(f"{len(missing)} without an export item: {some(missing)}")
        if unexpected:
            parts.append(f"{len(unexpected)} without a job item: {some(unexpected)}")
        return "; ".join(parts)


def some(ids: list[str]) -> str:
    """Return at most ten ids for a message, each on one line and cut: Pleo's are foreign text."""
    shown = ", ".join(map(one_line, sorted(ids)[:NAMED_IDS]))
    return shown if len(ids) <= NAMED_IDS else f"{shown}, …"
