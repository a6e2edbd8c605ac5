"""What hints that an export job changes while it is read, and that its pages lead nowhere. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_pleo_export.singer.record_decoder import Page

MOST_IDLE_PAGES = 100


@dataclass(slots=True)
class Changes:
    """Hints of one reading of a job.

    Attributes:
        hinted: Whether a ``total`` changed from page to page, or rows came twice.
    """

    hinted: bool = False
    _totals: dict[str, int] = field(default_factory=dict)

    def after_page(self, listing: str, page: Page, repeated: int) -> None:
        """Look at a page.

        Args:
            listing: What the pages list.
            page: The page.
            repeated: How many of its rows came before.
        """
        total = page.info.total
        known = isinstance(total, int) and self._totals.setdefault(listing, total) != total
        self.hinted = self.hinted or known or repeated > 0


@dataclass(slots=True)
class Idling:
    """Counts pages in a row that bring nothing new."""

    pages: int = 0

    def after_page(self, new: int) -> bool:
        """Return whether so many pages in a row had no new row that reading on makes no sense."""
        self.pages = 0 if new else self.pages + 1
        return self.pages >= MOST_IDLE_PAGES
