"""Walking cursor pages: every page, once, in order, and never in a circle; ahead of the reader where that is safe."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, TypeVar

from tap_pleo_export.pleo.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from tap_pleo_export.records.shape import Page


T = TypeVar("T")


class CursorStuckError(Exception):
    """A page claims a next one but does not lead to it; ``str()`` says how."""


class Fetch(Protocol):
    """Fetches one page: after a cursor, at an offset, or with neither the first."""

    def __call__(self, *, after: str | None = None, offset: int | None = None) -> Callable[[], Page]:
        """Fetch the page and return a call that decodes it."""


class Submit(Protocol):
    """Starts a call in the background."""

    def __call__(self, call: Callable[[], T]) -> Future[T]:
        """Return the call's result to come."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a walk starts.

    Attributes:
        cursor: The ``endCursor`` before it, None for the first page.
        offset: How many rows come before it.
    """

    cursor: str | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """How pages are fetched before the reader asks for them.

    Attributes:
        submit: Starts a call in the background, or queues it behind those of other walks.
        width: How many pages may be asked for before they are taken; below 2 there is no reading ahead.
        ids: The ids of a page's rows.
        warn: Told why reading ahead was given up.
    """

    submit: Submit
    width: Callable[[], int]
    ids: Callable[[Page], list[str]]
    warn: Callable[[str], None]


def walk(fetch: Fetch, start: Start, first: Page | None = None) -> Iterator[Page]:
    """Yield pages one after the other while they say that there is a next one, empty ones too.

    Args:
        fetch: Fetches a page.
        start: Where to start.
        first: The first page, if it has been fetched.

    Raises:
        CursorStuckError: ``hasNextPage`` without an ``endCursor`` that leads further.
    """
    cursor = start.cursor
    used = {cursor}
    while True:
        page = first or fetch(after=cursor)()
        first = None
        cursor = page.info.end_cursor
        if page.info.has_next_page and not cursor:
            raise CursorStuckError("a page claims a next one but has no 'endCursor'")
        if page.info.has_next_page and cursor in used:
            raise CursorStuckError("a page's 'endCursor' leads back to a page already read")
        yield page
        if not page.info.has_next_page:
            return
        used.add(cursor)


class WalkAhead:
    """The same pages as :func:`walk`, once, with several requests in flight.

    The first page is fetched by cursor. If it states a ``total``, the others are fetched by offset, in order, and each
    is held against what it must be; at the first that is not, the walk goes on by cursor from the last page yielded.

    Args:
        fetch: Fetches a page; several threads call it.
        start: Where to start.
        ahead: How to read ahead.
    """

    def __init__(self, fetch: Fetch, start: Start, ahead: ReadAhead) -> None:
        self._start = start
        self._fetch = fetch
        self._ahead = ahead
        self._first: Future[Page] | None = None
        self._expectation: _Expectation | None = None
        self._offsets: Iterator[int] = iter(())
        self._in_flight: deque[tuple[int, Future[Callable[[], Page]]]] = deque()

    def ask(self) -> None:
        """Ask for pages before they are wanted, without waiting; failures show where the pages are taken."""
        if self._first is None:
            if self._ahead.width() > 1:
                self._first = self._ahead.submit(self._fetch_first)
        elif self._first.done() and not self._first.exception():
            self._expect(self._first.result())
            self._fill()

    def __iter__(self) -> Iterator[Page]:
        """Yield the pages.

        Raises:
            CursorStuckError: As :func:`walk`.
        """
        first = self._first.result() if self._first else self._fetch_first()
        self._first = None
        self._expect(first)
        if self._ahead.width() > 1:
            self._fill()
        if self._expectation is None or not self._in_flight:
            yield from walk(self._fetch, self._start, first)
            return
        yield first
        last = first
        while self._in_flight:
            offset, future = self._in_flight.popleft()
            try:
                page = future.result()()
            except RequestRefused as refusal:
                if refusal.status != HTTPStatus.BAD_REQUEST:
                    raise
                reason = f"offset refused ({refusal.status}{refusal.detail})"
                break
            if misfit := self._expectation.misfit(page, offset):
                reason = misfit
                break
            # Always before a page is handed over: requests go on while it is written.
            self._fill()
            yield page
            last = page
        else:
            return
        self._ahead.warn(reason)
        yield from walk(self._fetch, Start(last.info.end_cursor))

    def _fetch_first(self) -> Page:
        # Decoded at once: `ask` looks into it, and must not wait while a damaged answer is asked for again.
        return self._fetch(after=self._start.cursor)()

    def _expect(self, first: Page) -> None:
        if self._expectation is None:
            self._expectation = _Expectation.after(first, self._start.offset, self._ahead)
            self._offsets = iter(self._expectation.offsets() if self._expectation else ())

    def _fill(self) -> None:
        while len(self._in_flight) < self._ahead.width() and (offset := next(self._offsets, None)) is not None:
            self._in_flight.append((offset, self._ahead.submit(lambda at=offset: self._fetch(offset=at))))  # type: ignore[misc]


class _Expectation:
    """What pages fetched by offset must look like, given the first."""

    def __init__(self, total: int, stride: int, start: int, first: Page, ahead: ReadAhead) -> None:
        self._total = total
        self._stride = stride
        self._start = start
        self._ids = ahead.ids
        self._first_ids = self._previous_ids = frozenset(ahead.ids(first))

    @classmethod
    def after(cls, first: Page, offset: int, ahead: ReadAhead) -> _Expectation | None:
        """Return the expectation after a walk's first page; None if it does not bear one."""
        total, stride = first.info.total, first.rows
        known = isinstance(total, int) and not isinstance(total, bool)
        if not (known and stride and first.info.has_next_page and first.info.end_cursor and total > offset + stride):
            return None
        return cls(total, stride, offset + stride, first, ahead)

    def offsets(self) -> range:
        """Return where the pages after the first begin."""
        return range(self._start, self._total, self._stride)

    def misfit(self, page: Page, offset: int) -> str | None:
        """Return how a page differs from what it must be, or None."""
        end = offset + self._stride
        ids = frozenset(self._ids(page))
        expected = min(self._stride, self._total - offset)
        if page.info.total != self._total:
            return f"'total' changed from {self._total} to {page.info.total}"
        if page.rows != expected:
            return f"the page at offset {offset} has {page.rows} rows instead of {expected}"
        if page.info.has_next_page != (end < self._total):
            return f"the page at offset {offset} is wrong about a next one"
        if page.info.has_next_page and not page.info.end_cursor:
            return f"the page at offset {offset} has no 'endCursor'"
        if len(ids) < len(page.records) or ids & self._previous_ids or ids & self._first_ids:
            return f"the page at offset {offset} repeats rows"
        self._previous_ids = ids
        return None
