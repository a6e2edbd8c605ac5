"""The paginator decides where pages begin and when to stop; reading ahead yields the same pages faster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.api.errors import AnswerTooLarge, CursorStuckError, RequestRefused
from tap_pleo_export.api.paging import (
    FIRST_PAGE,
    CursorPaginator,
    Listing,
    Lookahead,
    Page,
    PageDecoder,
    PageInfo,
    Start,
    Token,
)

# An endless circle of pages would fill the memory.
MAX_PAGES = 100


def page(*ids: str, end: str | None = None, total: int | None = None, more: bool | None = None) -> Page[str]:
    return Page(
        list(ids), PageInfo(has_next_page=end is not None if more is None else more, end_cursor=end, total=total)
    )


@dataclass
class Rows:
    """A list of numbered rows; a page's cursor is the number of rows up to its end."""

    count: int
    size: int = 3
    total: int | None = None
    change: Callable[[Page[str], Token], Page[str]] = lambda page, _: page
    asked: list[Token] = field(default_factory=list)

    def send(self, request: Any) -> Any:
        self.asked.append(request.token)
        return SimpleNamespace(request=request)

    def read(self, answer: Any, decode: object) -> Page[str]:
        assert decode is page
        token = answer.request.token
        start = int(token) if str(token).isdecimal() else 0
        ids = [str(number) for number in range(start, min(start + self.size, self.count))]
        end = start + len(ids)
        found = page(*ids, end=str(end) if end < self.count else None, total=self.total)
        return self.change(found, token)

    def listing(self, width: int = 3, pool: Any = None) -> Listing[str]:
        return Listing(
            send=self.send,
            read=self.read,
            reduce_page_size=lambda _: False,
            pool=pool or cast("Any", Foreground()),
            allowed_concurrency=lambda: width,
            request=request,
            decode=page,  # type: ignore[arg-type] # not called
            id_of=str,
        )


def request(token: Token) -> Any:
    return SimpleNamespace(token=token, params={"after": token if isinstance(token, str) else None})


class Foreground:
    """Runs background calls at once."""

    def submit(self, call: Callable[..., object], *args: object) -> Future[object]:
        future: Future[object] = Future()
        try:
            future.set_result(call(*args))
        except Exception as error:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(error)
        return future


def ahead(rows: Rows, width: int = 3, start: Start = FIRST_PAGE, warnings: list[str] | None = None) -> Lookahead[str]:
    return Lookahead(rows.listing(width), start, (warnings if warnings is not None else list[str]()).append)


def read_all(rows: Rows, lookahead: Lookahead[str] | None = None, start: Start = FIRST_PAGE) -> list[str]:
    pages = islice(rows.listing().pages(start, lookahead), MAX_PAGES)
    return [id_ for found in pages for id_ in found.records]


@given(count=st.integers(0, 40), size=st.integers(1, 9), width=st.integers(1, 5), skip=st.integers(0, 40))
def test_reading_ahead_yields_the_same_pages(count: int, size: int, width: int, skip: int) -> None:
    start = Start(str(skip), skip) if 0 < skip < count else FIRST_PAGE
    in_turn, by_offset = Rows(count, size, count), Rows(count, size, count)

    plain = read_all(in_turn, start=start)
    fast = read_all(by_offset, ahead(by_offset, width, start), start)

    assert plain == fast == [str(number) for number in range(start.offset, count)]
    assert len(by_offset.asked) == len(in_turn.asked)


def test_after_the_first_page_as_many_offsets_are_requested_as_allowed() -> None:
    rows = Rows(20, 3, 20)
    lookahead = ahead(rows, width=4)

    next(rows.listing().pages(ahead=lookahead))

    assert rows.asked == [None, 3, 6, 9, 12]
    assert lookahead.gave_up is False


def test_resumed_reading_continues_at_its_offset() -> None:
    rows = Rows(12, 3, 12)

    assert read_all(rows, ahead(rows, start=Start("6", 6)), Start("6", 6)) == ["6", "7", "8", "9", "10", "11"]
    assert rows.asked == ["6", 9]


@pytest.mark.parametrize("start", [FIRST_PAGE, Start("6", 6)])
@pytest.mark.parametrize("advanced", [True, False])
def test_a_page_begun_early_is_fetched_once(start: Start, advanced: bool) -> None:
    rows = Rows(13, 3, 13)
    asked = [start.cursor, *range(start.offset + 3, 13, 3)]
    lookahead = ahead(rows, start=start)
    lookahead.begin()
    lookahead.begin()
    assert rows.asked == asked[:1]
    if advanced:
        lookahead.advance()
        assert rows.asked == asked[:4]

    assert len(read_all(rows, lookahead, start)) == 13 - start.offset
    assert rows.asked == asked


@pytest.mark.parametrize(
    ("status", "accepted", "asked", "fails"),
    [
        (400, 50, [("b", 100), ("b", 50)], False),
        (400, 10, [("b", 100), ("b", 50)], True),
        (404, 50, [("b", 100)], True),
    ],
    ids=["a smaller page", "no page", "another refusal"],
)
def test_a_refused_page_size_is_reduced_once(
    status: int, accepted: int, asked: list[tuple[Token, int]], fails: bool
) -> None:
    limits, found = [100, 50], []

    def limited(token: Token) -> Any:
        return SimpleNamespace(token=token, params={"after": token, "limit": limits[0]})

    def send(request: Any) -> Any:
        found.append((request.token, request.params["limit"]))
        if request.params["limit"] > accepted:
            raise RequestRefused("GET", "/v3/export-items", status, "BAD_REQUEST", "")
        return request.token

    def reduce_page_size(limit: object) -> bool:
        return limits.pop(0) == limit

    listing = replace(Rows(3).listing(), send=send, request=limited, reduce_page_size=reduce_page_size)
    with pytest.raises(RequestRefused) if fails else contextlib.nullcontext() as refused:
        listing.fetch("b")
    assert found == asked
    assert refused is None or refused.value.after_cursor is True


def test_a_refused_page_size_that_cannot_be_reduced_is_asked_for_once() -> None:
    rows = Rows(3)

    def send(request: Any) -> Any:
        rows.asked.append(request.token)
        raise RequestRefused("GET", "/v3/export-items", 400, "BAD_REQUEST", "")

    with pytest.raises(RequestRefused):
        replace(rows.listing(), send=send).fetch(None)
    assert rows.asked == [None]


def test_fractions_in_rows_are_exact() -> None:
    body = b'{"data": [{"rate": 0.1}], "pagination": {"hasNextPage": false}}'

    assert PageDecoder(dict[str, Any]).decode(body).records == [{"rate": Decimal("0.1")}]


def test_a_page_nested_too_deeply_is_refused() -> None:
    nested = b'{"data": [' + b"[" * 100_000 + b"]" * 100_000 + b'], "pagination": {"hasNextPage": false}}'

    with pytest.raises(AnswerTooLarge, match=r"^a page is nested too deeply to be read$"):
        PageDecoder(Any).decode(nested)


@pytest.mark.parametrize(
    ("width", "early", "asked"), [(1, [], [None]), (2, [None], [None, 3, 6]), (3, [None], [None, 3, 6, 9])]
)
def test_a_concurrency_of_one_disables_reading_ahead(width: int, early: list[Token], asked: list[Token]) -> None:
    rows = Rows(20, 3, 20)
    lookahead = ahead(rows, width=width)

    lookahead.begin()
    assert rows.asked == early

    next(rows.listing().pages(ahead=lookahead))
    assert rows.asked == asked


def test_begin_does_nothing_once_reading_has_started() -> None:
    rows = Rows(20, 3)
    lookahead = ahead(rows)
    next(rows.listing().pages(ahead=lookahead))
    lookahead.begin()

    assert rows.asked == [None]


def test_an_early_failure_is_raised_where_the_page_is_taken() -> None:
    def refuse(*_: object) -> Page[str]:
        raise RequestRefused("GET", "/v3/export-items", 422, "EXPORT_JOB_STATUS_UNPROCESSABLE", "")

    rows = Rows(12, 3, 12, change=refuse)
    lookahead = ahead(rows)
    lookahead.begin()
    lookahead.advance()
    assert rows.asked == [None]

    with pytest.raises(RequestRefused):
        lookahead.take(None)


def test_advance_does_not_wait_for_the_first_page() -> None:
    class OnItsWay(Future[object]):
        def result(self, timeout: float | None = None) -> object:
            raise AssertionError(f"waited for {timeout}")

        exception = result  # type: ignore[assignment] # neither may be asked for

    class Waiting(Foreground):
        def submit(self, *_: object) -> Future[object]:
            return OnItsWay()

    rows = Rows(12, 3, 12)
    lookahead = Lookahead(rows.listing(pool=Waiting()), FIRST_PAGE, list[str]().append)
    lookahead.advance()
    lookahead.begin()
    lookahead.advance()

    assert rows.asked == []


def test_nothing_is_taken_for_another_start() -> None:
    rows = Rows(12, 3, 12)
    lookahead = ahead(rows)

    assert lookahead.take("3") is None
    assert rows.asked == []


def rewritten(at: Token, **members: Any) -> Callable[[Page[str], Token], Page[str]]:
    def change(found: Page[str], token: Token) -> Page[str]:
        if token != at:
            return found
        info = {
            "has_next_page": found.info.has_next_page,
            "end_cursor": found.info.end_cursor,
            "total": found.info.total,
        }
        records = members.get("records", found.records)
        return Page(records, PageInfo(**info | {k: v for k, v in members.items() if k != "records"}))

    return change


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "another total": ({"total": 13}, "'total' changed from 12 to 13"),
    "too few rows": ({"records": ["6", "7"]}, "the page at offset 6 has 2 rows instead of 3"),
    "no next page": ({"has_next_page": False}, "the page at offset 6 is wrong about a next one"),
    "no cursor": ({"end_cursor": None}, "the page at offset 6 has no 'endCursor'"),
    "a row of the first page": ({"records": ["6", "0", "8"]}, "the page at offset 6 repeats rows"),
    "a row of the page before": ({"records": ["5", "7", "8"]}, "the page at offset 6 repeats rows"),
    "a row twice": ({"records": ["6", "6", "8"]}, "the page at offset 6 repeats rows"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_pages_are_read_by_cursor_after_a_misfit(misfit: str) -> None:
    members, reason = MISFITS[misfit]
    rows = Rows(12, 3, 12, change=rewritten(6, **members))
    warnings: list[str] = []

    lookahead = ahead(rows, warnings=warnings)

    assert read_all(rows, lookahead) == [str(number) for number in range(12)]
    assert warnings == [reason]
    assert lookahead.gave_up is True
    assert rows.asked[-2:] == ["6", "9"]


@pytest.mark.parametrize(("status", "ended"), [(400, False), (422, True)])
def test_only_a_refused_offset_ends_reading_ahead_alone(status: int, ended: bool) -> None:
    def refuse(found: Page[str], token: Token) -> Page[str]:
        if token == 6:
            raise RequestRefused("GET", "/v3/export-items", status, "BAD_REQUEST", "")
        return found

    rows = Rows(12, 3, 12, change=refuse)
    warnings: list[str] = []

    with pytest.raises(RequestRefused) if ended else contextlib.nullcontext():
        assert len(read_all(rows, ahead(rows, warnings=warnings))) == 12
    assert warnings == ([] if ended else ["offset refused (400 BAD_REQUEST)"])


@pytest.mark.parametrize("total", [None, True, "12", 3, 2])
def test_nothing_is_fetched_ahead_without_a_usable_total(total: Any) -> None:
    rows = Rows(12, 3, total)

    assert len(read_all(rows, ahead(rows))) == 12
    assert rows.asked == [None, "3", "6", "9"]


def looped(*cursors: str) -> Callable[[Page[str], Token], Page[str]]:
    """Let the pages after these cursors lead from one to the next, forever."""
    following = dict(zip(cursors, (*cursors[1:], cursors[0]), strict=True))
    return lambda found, token: page(*found.records, end=following.get(str(token), cursors[0]))


CIRCLE = "a page's 'endCursor' leads back to a page already read"
NO_CURSOR = "a page claims a next one but has no 'endCursor'"


@pytest.mark.parametrize(
    ("change", "requests", "error"),
    [
        (looped("3"), 2, CIRCLE),
        (looped("3", "6"), 3, CIRCLE),
        (looped("3", "6", "9"), 4, CIRCLE),
        (lambda found, _: page(*found.records, end=None, more=True), 1, NO_CURSOR),
        (lambda found, _: page(*found.records, end="", more=True), 1, NO_CURSOR),
    ],
)
def test_circle_and_missing_cursor_end_the_reading(change: Any, requests: int, error: str) -> None:
    rows = Rows(12, 3, change=change)

    with pytest.raises(CursorStuckError) as caught:
        read_all(rows)

    assert str(caught.value) == error
    assert len(rows.asked) == requests


def test_reading_continues_after_an_empty_page() -> None:
    pages = {None: page("0", end="a"), "a": page(end="b"), "b": page("1")}
    rows = Rows(0, change=lambda _, token: pages[token])  # type: ignore[index]

    assert read_all(rows) == ["0", "1"]
    assert CursorPaginator().continue_if_empty(None)
