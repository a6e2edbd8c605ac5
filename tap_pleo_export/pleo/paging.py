"""Walking cursor pages: every page, once, and never in a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_pleo_export.records import Page


class CursorStuckError(Exception):
    """A page claims a next one but does not lead to it; ``str()`` says how."""


def walk(fetch: Callable[[str | None], Page], cursor: str | None = None) -> Iterator[Page]:
    """Yield pages from ``cursor`` on while they say that there is a next one, empty ones too.

    Args:
        fetch: Returns the page after a cursor; None asks for the first.
        cursor: Where to start.

    Raises:
        CursorStuckError: ``hasNextPage`` without an ``endCursor`` that leads further.
    """
    used = {cursor}
    while True:
        page = fetch(cursor)
        cursor = page.info.end_cursor
        if page.info.has_next_page and not cursor:
            raise CursorStuckError("a page claims a next one but has no 'endCursor'")
        if page.info.has_next_page and cursor in used:
            raise CursorStuckError("a page's 'endCursor' leads back to a page already read")
        yield page
        if not page.info.has_next_page:
            return
        used.add(cursor)
