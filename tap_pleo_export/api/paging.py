"""Pages of a list: every page once, in order, never in a circle; fetched ahead where that is safe."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType
from singer_sdk.pagination import BaseAPIPaginator

from tap_pleo_export.api.errors import AnswerTooLarge, CursorStuckError, RequestRefused
from tap_pleo_export.numbers import exact_number
from tap_pleo_export.text import storable

if TYPE_CHECKING:
    from tap_pleo_export.api.daemon_pool import DaemonPool
    from tap_pleo_export.api.request import ApiRequest, ApiResponse

Row = TypeVar("Row")
TypeForm = Any
"""A type as msgspec takes it; Python has no annotation for that yet."""

AnyPage = Any
"""A :class:`Page`, which the SDK's paginator calls a response."""

Token = str | int | None
"""Where a page begins: after a cursor (text), after a number of rows, or at the first row (None)."""


class PageInfo(msgspec.Struct, rename="camel"):
    """A page's place in its list (OpenAPI schema ``CursorPageInfo``); other members are ignored."""

    has_next_page: bool
    end_cursor: str | None = None
    total: Any = None
    """A whole number; None if Pleo sends none, or something else."""

    @classmethod
    def read(cls, raw: Raw) -> PageInfo:
        """Read a page's ``pagination``; an odd ``total`` prevents reading ahead but does not fail the page."""
        info = msgspec.json.decode(raw, type=_RawPageInfo)
        return cls(info.has_next_page, info.end_cursor, whole_number(info.total))


class _RawPageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None
    total: Raw | UnsetType = UNSET


def whole_number(raw: Raw | UnsetType) -> int | None:
    """Return a whole number; None if it is absent or something else."""
    try:
        return msgspec.json.decode(raw, type=int) if isinstance(raw, Raw) else None
    except (msgspec.MsgspecError, ValueError):
        return None


class Page(msgspec.Struct, Generic[Row], gc=False):
    """A page of records.

    Attributes:
        records: The rows that could be decoded.
        info: The page's place in its list.
        unusable: The other rows: which, and why.
        replaced: Number of characters that databases cannot store, see :mod:`tap_pleo_export.text`.
    """

    records: list[Row]
    info: PageInfo
    unusable: list[str] = []
    replaced: int = 0

    @property
    def rows(self) -> int:
        """Number of rows that Pleo sent."""
        return len(self.records) + len(self.unusable)


class _Single(msgspec.Struct):
    data: Raw


def decode_single(body: bytes) -> Raw:
    """Return the object in an answer ``{"data": {...}}`` (OpenAPI schema ``DataResponseExportJobV3``)."""
    return msgspec.json.decode(storable(body)[0], type=_Single).data


class PageDecoder(Generic[Row]):
    """Decodes a page of the Export API (``{"data": [...], "pagination": {...}}``) in one pass.

    Args:
        row_type: The type of a row, anything that msgspec decodes; fractions in untyped values become ``Decimal``.
        salvage: Makes a row of the bytes of one that does not fit the type, or raises ValueError with the reason;
            without it such a row fails the page.
    """

    def __init__(self, row_type: TypeForm, salvage: Callable[[Raw], Row] | None = None) -> None:
        self._pages = _envelope(row_type)
        self._raw_pages = _envelope(Raw)
        self._salvage = salvage

    def decode(self, body: bytes) -> Page[Row]:
        """Decode a page; a row that cannot be salvaged is listed in its ``unusable``.

        Raises:
            msgspec.MsgspecError, UnicodeDecodeError: The body is not such a page.
            AnswerTooLarge: It is nested too deeply.
        """
        body, replaced = storable(body)
        try:
            try:
                decoded = self._pages.decode(body)
                page = Page(decoded.data, PageInfo.read(decoded.pagination))
            except msgspec.ValidationError:
                if self._salvage is None:
                    raise
                page = self._decode_row_by_row(body, self._salvage)
        except RecursionError:
            raise AnswerTooLarge("a page is nested too deeply to be read") from None
        page.replaced = replaced
        return page

    def _decode_row_by_row(self, body: bytes, salvage: Callable[[Raw], Row]) -> Page[Row]:
        decoded = self._raw_pages.decode(body)
        page: Page[Row] = Page([], PageInfo.read(decoded.pagination), [])
        for position, row in enumerate(decoded.data, 1):
            try:
                page.records.append(salvage(row))
            except ValueError as error:
                page.unusable.append(f"row {position} {error}")
        return page


def _envelope(row_type: TypeForm) -> msgspec.json.Decoder[Any]:
    envelope = msgspec.defstruct("Envelope", [("data", list[row_type]), ("pagination", Raw)])
    return msgspec.json.Decoder(envelope, float_hook=exact_number)


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading starts.

    Attributes:
        cursor: The ``endCursor`` before it, None for the first page.
        offset: Number of rows before it.
    """

    cursor: str | None = None
    offset: int = 0


FIRST_PAGE = Start()


class CursorPaginator(BaseAPIPaginator[str | None]):
    """Continues while a page says that there is a next one, after empty pages too, and never to a cursor already used.

    Source: OpenAPI schema ``CursorPageInfo`` (``hasNextPage``, ``endCursor``). Its pages are :class:`Page`.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.start_after(None)

    def start_after(self, cursor: str | None) -> None:
        """Start after a cursor; None is the first page."""
        self._value = cursor
        self._used = {cursor}

    def has_more(self, response: AnyPage) -> bool:
        """Return whether the page says that there is a next one."""
        return bool(response.info.has_next_page)

    def get_next(self, response: AnyPage) -> str:
        """Return the cursor of the next page; raises CursorStuckError if it leads no further."""
        cursor: str | None = response.info.end_cursor
        if not cursor:
            raise CursorStuckError("a page claims a next one but has no 'endCursor'")
        if cursor in self._used:
            raise CursorStuckError("a page's 'endCursor' leads back to a page already read")
        self._used.add(cursor)
        return cursor

    def continue_if_empty(self, response: AnyPage) -> bool:  # noqa: ARG002 - the SDK's signature
        """Return True: an empty page does not end a list."""
        return True


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """A list that comes in pages, and the only loop over pages; made by ``PleoApi.listing``.

    Attributes:
        read: Decodes a response; a damaged one is requested again.
        reduce_page_size: Called with a refused ``limit``; returns whether a smaller one may be accepted.
        allowed_concurrency: Returns how many pages may be fetched at once.
        request: Returns the request for the page that begins at a token.
        id_of: Returns a row's id, with which pages fetched ahead are checked.
        errors: Gives failures of the requests their meaning, see :mod:`tap_pleo_export.api.errors`.
        paginator: Makes the object that decides where each page begins and when to stop.
    """

    send: Callable[[ApiRequest], ApiResponse]
    read: Callable[[ApiResponse, Callable[[bytes], Page[Row]]], Page[Row]]
    reduce_page_size: Callable[[object], bool]
    pool: DaemonPool
    allowed_concurrency: Callable[[], int]
    request: Callable[[Token], ApiRequest]
    decode: Callable[[bytes], Page[Row]]
    id_of: Callable[[Row], str] = str
    errors: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    paginator: Callable[[], CursorPaginator] = CursorPaginator

    def pages(self, start: Start = FIRST_PAGE, ahead: Lookahead[Row] | None = None) -> Iterator[Page[Row]]:
        """Yield the pages that the paginator asks for; ``ahead`` has pages fetched early, from the same start."""
        paginator = self.paginator()
        paginator.start_after(start.cursor)
        with self.errors():
            while not paginator.finished:
                token = paginator.current_value
                page = ahead.take(token) if ahead else None
                if page is None:
                    page = self.decoded(self.fetch(token))
                    if ahead:
                        ahead.follow(token, page)
                paginator.advance(page)  # type: ignore[arg-type] # a page, not a response
                yield page

    def fetch(self, token: Token) -> ApiResponse:
        """Fetch the page that begins at a token; a smaller one if Pleo refuses its size."""
        request = self.request(token)
        with _marked(request):
            try:
                return self.send(request)
            except RequestRefused as refusal:
                limit = request.params.get("limit")
                if refusal.status != HTTPStatus.BAD_REQUEST or not self.reduce_page_size(limit):
                    raise
            return self.send(self.request(token))

    def decoded(self, response: ApiResponse) -> Page[Row]:
        """Decode a fetched page; one whose body is damaged is fetched again."""
        with _marked(response.request):
            return self.read(response, self.decode)


@contextlib.contextmanager
def _marked(request: ApiRequest) -> Iterator[None]:
    """Mark the refusal of a request for the page after a cursor: the cursor may be at fault."""
    try:
        yield
    except RequestRefused as refusal:
        refusal.after_cursor = request.params.get("after") is not None
        raise


class Lookahead(Generic[Row]):
    """Pages fetched before the loop asks for them, several requests in flight.

    The first page is fetched by cursor. If it states a ``total``, the pages after it are fetched by offset, in order,
    and each is checked against its expected place; after the first one that does not fit, nothing is fetched ahead.

    Args:
        listing: The list; several threads fetch its pages.
        start: Where reading starts.
        warn: Called with the reason why reading ahead was given up.

    Attributes:
        gave_up: Whether a page did not fit.
    """

    def __init__(self, listing: Listing[Row], start: Start, warn: Callable[[str], None]) -> None:
        self._listing = listing
        self._width = listing.allowed_concurrency
        self._start = start
        self._warn = warn
        self._first: Future[Page[Row]] | None = None
        self._expected: _ExpectedPages[Row] | None = None
        self._in_flight: deque[tuple[int, Future[ApiResponse]]] = deque()
        self._started = False
        self.gave_up = False

    def begin(self) -> None:
        """Start to fetch the first page; a failure is raised by :meth:`take`."""
        if self._first is None and not self._started and self._width() > 1:
            self._first = self._listing.pool.submit(self._fetch_first)

    def advance(self) -> None:
        """Fetch the pages after the first, if that has arrived, without waiting."""
        if self._first and self._first.done() and not self._first.exception():
            self._expect_after(self._first.result())
            self._fill()

    def take(self, token: Token) -> Page[Row] | None:
        """Return the page that begins at a token if it is being fetched ahead, else None."""
        if self._started:
            return self._next()
        self._started = True
        if self._first is None or token != self._start.cursor:
            return None
        page, self._first = self._first.result(), None
        self.follow(token, page)
        return page

    def follow(self, token: Token, page: Page[Row]) -> None:
        """Fetch the pages after a page, if that is the first."""
        if token == self._start.cursor:
            self._expect_after(page)
            if self._width() > 1:
                self._fill()

    def _next(self) -> Page[Row] | None:
        if not self._in_flight or self._expected is None:
            return None
        offset, fetched = self._in_flight.popleft()
        try:
            page = self._listing.decoded(fetched.result())
        except RequestRefused as refusal:
            if refusal.status != HTTPStatus.BAD_REQUEST:
                raise
            misfit: str | None = f"offset refused ({refusal.status}{refusal.detail})"
        else:
            misfit = self._expected.misfit(page, offset)
        if misfit:
            self.gave_up = True
            self._in_flight.clear()
            self._warn(misfit)
            return None
        # Before the page is handed over: requests continue while it is written.
        self._fill()
        return page

    def _fetch_first(self) -> Page[Row]:
        # Decoded here: `advance` looks into it and must not wait while a damaged page is fetched again.
        return self._listing.decoded(self._listing.fetch(self._start.cursor))

    def _expect_after(self, first: Page[Row]) -> None:
        total = first.info.total
        known = isinstance(total, int) and not isinstance(total, bool)
        if self._expected is None and known and first.rows and first.info.has_next_page and first.info.end_cursor:
            self._expected = _ExpectedPages(first, self._start.offset, self._listing.id_of)

    def _fill(self) -> None:
        while self._expected and len(self._in_flight) < self._width():
            offset = next(self._expected.offsets, None)
            if offset is None:
                return
            self._in_flight.append((offset, self._listing.pool.submit(self._listing.fetch, offset)))


class _ExpectedPages(Generic[Row]):
    """Checks pages fetched by offset against the first page."""

    def __init__(self, first: Page[Row], start: int, id_of: Callable[[Row], str]) -> None:
        self._total: int = first.info.total
        self._stride = first.rows
        self._id_of = id_of
        self._first_ids = self._previous_ids = frozenset(map(id_of, first.records))
        self.offsets = iter(range(start + self._stride, self._total, self._stride))

    def misfit(self, page: Page[Row], offset: int) -> str | None:
        """Return how a page differs from the expected one, or None."""
        end = offset + self._stride
        rows = min(self._stride, self._total - offset)
        ids = frozenset(map(self._id_of, page.records))
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
