"""Walking cursor pages: every page, once, in order, and never in a circle; ahead of the reader where that is safe."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from tap_pleo_export.pleo.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from tap_pleo_export.records import Page


class CursorStuckError(Exception):
    """A page claims a next one but does not lead to it; ``str()`` says how."""


class Fetch(Protocol):
    """Returns one page: after a cursor, at an offset, or with neither the first."""

    def __call__(self, *, after: str | None = None, offset: int | None = None) -> Page:
        """Fetch the page."""


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
        submit: Starts a call in the background.
        width: How many requests may be in flight now; below 2 there is no reading ahead.
        ids: The ids of a page's rows.
        warn: Told why reading ahead was given up.
    """

    submit: Callable[[Callable[[], Page]], Future[Page]]
    width: Callable[[], int]
    ids: Callable[[Page], list[str]]
    warn: Callable[[str], None]


def walk(fetch: Fetch, start: Start | None = None) -> Iterator[Page]:
    """Yield pages one after the other while they say that there is a next one, empty ones too.

    Raises:
        CursorStuckError: ``hasNextPage`` without an ``endCursor`` that leads further.
    """
    cursor = start.cursor if start else None
    used = {cursor}
    while True:
        page = fetch(after=cursor)
        cursor = page.info.end_cursor
        if page.info.has_next_page and not cursor:
            raise CursorStuckError("a page claims a next one but has no 'endCursor'")
        if page.info.has_next_page and cursor in used:
            raise CursorStuckError("a page's 'endCursor' leads back to a page already read")
        yield page
        if not page.info.has_next_page:
            return
        used.add(cursor)


def walk_ahead(fetch: Fetch, start: Start, ahead: ReadAhead) -> Iterator[Page]:
    """Yield the same pages as :func:`walk`, with several requests in flight.

    The first page is fetched by cursor. If it states a ``total``, the others are fetched by offset, in order, and each
    is held against what it must be; at the first that is not, the walk goes on by cursor from the last page yielded.

    Raises:
        CursorStuckError: As :func:`walk`.
    """
    first = fetch(after=start.cursor)
    expectation = _Expectation.after(first, start.offset, ahead)
    if ahead.width() < 2 or expectation is None:  # noqa: PLR2004 - two are more than one
        yield from walk(with_head_start(fetch, lambda: first, start.cursor), start)
        return
    last = first
    in_flight: deque[tuple[int, Future[Page]]] = deque()
    offsets = iter(expectation.offsets())

    def ask_ahead() -> None:
        while len(in_flight) < ahead.width() and (offset := next(offsets, None)) is not None:
            in_flight.append((offset, ahead.submit(lambda at=offset: fetch(offset=at))))  # type: ignore[misc]

    # Always before a page is handed over: requests go on while it is written.
    ask_ahead()
    yield first
    while in_flight:
        offset, future = in_flight.popleft()
        try:
            page = future.result()
        except RequestRefused as refusal:
            if refusal.status != HTTPStatus.BAD_REQUEST:
                raise
            reason = f"offset refused ({refusal.status}{refusal.detail})"
            break
        if misfit := expectation.misfit(page, offset):
            reason = misfit
            break
        ask_ahead()
        yield page
        last = page
    else:
        return
    ahead.warn(reason)
    yield from walk(fetch, Start(last.info.end_cursor))


def with_head_start(fetch: Fetch, first: Callable[[], Page], cursor: str | None) -> Fetch:
    """Return ``fetch`` with the page after ``cursor`` fetched already, once."""
    fetched = {cursor: first}

    def fetch_on(*, after: str | None = None, offset: int | None = None) -> Page:
        ready = fetched.pop(after, None) if offset is None else None
        return ready() if ready else fetch(after=after, offset=offset)

    return fetch_on


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
