"""Pages of a listing: every page, once, in order, and never in a circle; fetched ahead where that is safe."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from singer_sdk.pagination import BaseAPIPaginator

from tap_pleo_export.api.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from tap_pleo_export.api.daemon_pool import DaemonPool
    from tap_pleo_export.api.request import ApiResponse
    from tap_pleo_export.singer.record_decoder import Page

Token = str | int | None
"""Where a page begins: after a cursor (text), after so many rows (a number), at the first row (None)."""


class CursorStuckError(Exception):
    """A page claims a next one but does not lead to it; ``str()`` says how."""


class Listing(Protocol):
    """A list of Pleo's that comes in pages."""

    def fetch(self, token: Token) -> ApiResponse:
        """Fetch the page that begins at the token."""

    def read(self, answer: ApiResponse) -> Page:
        """Read a fetched page; one whose body is damaged is fetched again."""

    def ids(self, page: Page) -> Iterable[str]:
        """Return the ids of a page's records."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a walk over pages starts.

    Attributes:
        cursor: The ``endCursor`` before it, None for the first page.
        offset: How many rows come before it.
    """

    cursor: str | None = None
    offset: int = 0


class CursorPaginator(BaseAPIPaginator[str | None]):
    """Goes on while a page says that there is a next one, empty pages too, and never to a cursor already used.

    Source: OpenAPI schema ``CursorPageInfo`` (``hasNextPage``, ``endCursor``). Its pages are
    :class:`tap_pleo_export.singer.record_decoder.Page`.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.start_after(None)

    def start_after(self, cursor: str | None) -> None:
        """Begin behind a cursor, None at the first page."""
        self._value = cursor
        self._used = {cursor}

    def has_more(self, response: Any) -> bool:  # noqa: ANN401 - the SDK's name for a page
        """Return whether the page says that there is a next one."""
        return bool(response.info.has_next_page)

    def get_next(self, response: Any) -> str:  # noqa: ANN401 - the SDK's name for a page
        """Return the cursor of the next page.

        Raises:
            CursorStuckError: The page claims a next one without an ``endCursor`` that leads further.
        """
        cursor: str | None = response.info.end_cursor
        if not cursor:
            raise CursorStuckError("a page claims a next one but has no 'endCursor'")
        if cursor in self._used:
            raise CursorStuckError("a page's 'endCursor' leads back to a page already read")
        self._used.add(cursor)
        return cursor

    def continue_if_empty(self, response: Any) -> bool:  # noqa: ANN401, ARG002 - the SDK's signature
        """An empty page ends nothing."""
        return True


def walk(listing: Listing, paginator: BaseAPIPaginator[Any], lookahead: Lookahead | None = None) -> Iterator[Page]:
    """Yield the pages that a paginator asks for: the only loop over pages.

    Args:
        listing: Where pages come from.
        paginator: Decides where each page begins, and when to stop.
        lookahead: Pages fetched before they are asked for.

    Raises:
        CursorStuckError: As the paginator finds it; the page at fault is not yielded.
    """
    while not paginator.finished:
        token = paginator.current_value
        page = lookahead.take(token) if lookahead else None
        if page is None:
            page = listing.read(listing.fetch(token))
        paginator.advance(page)  # type: ignore[arg-type] # a page, not a response
        yield page


class Lookahead:
    """Pages fetched before the loop asks for them, several requests in flight.

    The first page is fetched by cursor. If it states a ``total``, those after it are fetched by offset, in order, and
    each is held against what it must be; from the first that is not on, nothing is fetched ahead.

    Args:
        listing: Where pages come from; several threads fetch.
        background: The threads.
        width: How many pages may be fetched before they are taken; below 2 there is no reading ahead.
        start: Where the walk starts.
        warn: Told why reading ahead was given up.

    Attributes:
        gave_up: Whether a page did not fit.
    """

    def __init__(
        self,
        listing: Listing,
        background: DaemonPool,
        width: Callable[[], int],
        start: Start,
        warn: Callable[[str], None],
    ) -> None:
        self._listing = listing
        self._background = background
        self._width = width
        self._start = start
        self._warn = warn
        self._first: Future[Page] | None = None
        self._expected: _ExpectedPages | None = None
        self._in_flight: deque[tuple[int, Future[ApiResponse]]] = deque()
        self._taken = False
        self.gave_up = False

    def begin(self) -> None:
        """Fetch the first page without waiting for it; a failure shows where the page is taken."""
        if self._first is None and not self._taken and self._width() > 1:
            self._first = self._background.submit(self._fetch_first)

    def go_on(self) -> None:
        """Fetch the pages after the first, if that has come, without waiting."""
        if self._first and self._first.done() and not self._first.exception():
            self._expect_after(self._first.result())
            self._fill()

    def take(self, token: Token) -> Page | None:
        """Return the page that begins at a token if it is being fetched ahead, else None.

        Raises:
            PleoError: It could not be fetched.
        """
        page = self._next() if self._taken else self._take_first(token)
        self._taken = True
        return page

    def _take_first(self, token: Token) -> Page | None:
        if token != self._start.cursor:
            return None
        # If it is wanted now, no thread can have it sooner.
        page = self._first.result() if self._first else self._fetch_first()
        self._first = None
        self._expect_after(page)
        if self._width() > 1:
            self._fill()
        return page

    def _next(self) -> Page | None:
        if not self._in_flight or self._expected is None:
            return None
        offset, fetched = self._in_flight.popleft()
        try:
            page = self._listing.read(fetched.result())
        except RequestRefused as refusal:
            if refusal.status != HTTPStatus.BAD_REQUEST:
                raise
            misfit: str | None = f"offset refused ({refusal.status}{refusal.detail})"
        else:
            misfit = self._expected.misfit(page, offset, frozenset(self._listing.ids(page)))
        if misfit:
            self.gave_up = True
            self._in_flight.clear()
            self._warn(misfit)
            return None
        # Before the page is handed over: requests go on while it is written.
        self._fill()
        return page

    def _fetch_first(self) -> Page:
        # Read at once: `go_on` looks into it, and must not wait while a damaged page is fetched again.
        return self._listing.read(self._listing.fetch(self._start.cursor))

    def _expect_after(self, first: Page) -> None:
        if self._expected is None:
            self._expected = _ExpectedPages.after(first, self._start.offset, frozenset(self._listing.ids(first)))

    def _fill(self) -> None:
        while self._expected and len(self._in_flight) < self._width():
            offset = next(self._expected.offsets, None)
            if offset is None:
                return
            self._in_flight.append((offset, self._background.submit(self._listing.fetch, offset)))


class _ExpectedPages:
    """What pages fetched by offset must look like, given the first."""

    def __init__(self, total: int, stride: int, start: int, first_ids: frozenset[str]) -> None:
        self._total = total
        self._stride = stride
        self._first_ids = self._previous_ids = first_ids
        self.offsets = iter(range(start, total, stride))

    @classmethod
    def after(cls, first: Page, offset: int, ids: frozenset[str]) -> _ExpectedPages | None:
        """Return what to expect after a walk's first page; None if it does not bear an expectation."""
        total, stride = first.info.total, first.rows
        known = isinstance(total, int) and not isinstance(total, bool)
        if not (known and stride and first.info.has_next_page and first.info.end_cursor):
            return None
        return cls(total, stride, offset + stride, ids)

    def misfit(self, page: Page, offset: int, ids: frozenset[str]) -> str | None:
        """Return how a page differs from what it must be, or None."""
        end = offset + self._stride
        rows = min(self._stride, self._total - offset)
        if page.info.total != self._total:
            return f"'total' changed from {self._total} to {page.info.total}"
        if page.rows != rows:
            return f"the page at offset {offset} has {page.rows} rows instead of {rows}"
        if page.info.has_next_page != (end < self._total):
            return f"the page at offset {offset} is wrong about a next one"
        if page.info.has_next_page and not page.info.end_cursor:
            return f"the page at offset {offset} has no 'endCursor'"
        if len(ids) < len(page.records) or ids & self._previous_ids or ids & self._first_ids:
            return f"the page at offset {offset} repeats rows"
        self._previous_ids = ids
        return None
