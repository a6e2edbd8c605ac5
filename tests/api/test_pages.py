"""The paginator decides where pages begin and when to stop; reading ahead is a faster way to the same pages."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.api.errors import RequestRefused
from tap_pleo_export.api.paging import CursorPaginator, CursorStuckError, Lookahead, Start, walk
from tap_pleo_export.singer.record_decoder import Page, PageInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_pleo_export.api.paging import Token

# A circle of pages that nothing ends would fill the memory.
MOST_PAGES = 100


def page(*ids: str, end: str | None = None, total: int | None = None, more: bool | None = None) -> Page:
    return Page(
        list(ids), PageInfo(has_next_page=end is not None if more is None else more, end_cursor=end, total=total)
    )


@dataclass
class Rows:
    """A listing of numbered rows; a page's cursor is the number of rows up to its end."""

    count: int
    size: int = 3
    total: int | None = None
    change: Callable[[Page, Token], Page] = lambda page, _: page
    asked: list[Token] = field(default_factory=list)

    def fetch(self, token: Token) -> Any:
        self.asked.append(token)
        return token

    def read(self, answer: Any) -> Page:
        start = int(answer) if str(answer).isdecimal() else 0
        ids = [str(number) for number in range(start, min(start + self.size, self.count))]
        end = start + len(ids)
        found = page(*ids, end=str(end) if end < self.count else None, total=self.total)
        return self.change(found, answer)

    def ids(self, page: Page) -> Iterable[str]:
        return page.records


class Foreground:
    """Carries out background calls at once."""

    def submit(self, call: Callable[..., object], *args: object) -> Future[object]:
        future: Future[object] = Future()
        try:
            future.set_result(call(*args))
        except Exception as error:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(error)
        return future


def ahead(rows: Rows, width: int = 3, start: Start = Start(), told: list[str] | None = None) -> Lookahead:  # noqa: B008 - a constant
    warn = [].append if told is None else told.append
    return Lookahead(rows, Foreground(), lambda: width, start, warn)  # type: ignore[arg-type]


def read_all(rows: Rows, lookahead: Lookahead | None = None, start: str | None = None) -> list[str]:
    paginator = CursorPaginator()
    paginator.start_after(start)
    return [id_ for found in islice(walk(rows, paginator, lookahead), MOST_PAGES) for id_ in found.records]


@given(count=st.integers(0, 40), size=st.integers(1, 9), width=st.integers(1, 5), skip=st.integers(0, 40))
def test_ahead_or_in_turn_the_pages_are_the_same(count: int, size: int, width: int, skip: int) -> None:
    start = Start(str(skip), skip) if 0 < skip < count else Start()
    in_turn, by_offset = Rows(count, size, count), Rows(count, size, count)

    plain = read_all(in_turn, start=start.cursor)
    fast = read_all(by_offset, ahead(by_offset, width, start), start.cursor)

    assert plain == fast == [str(number) for number in range(start.offset, count)]
    assert len(by_offset.asked) == len(in_turn.asked)


def test_after_the_first_page_offsets_are_asked_for_as_wide_as_allowed() -> None:
    rows = Rows(20, 3, 20)
    lookahead = ahead(rows, width=4)

    first = lookahead.take(None)

    assert first is not None
    assert rows.asked == [None, 3, 6, 9, 12]
    assert lookahead.gave_up is False


def test_a_last_page_of_one_row_is_asked_for() -> None:
    rows = Rows(7, 3, 7)

    assert read_all(rows, ahead(rows)) == ["0", "1", "2", "3", "4", "5", "6"]
    assert rows.asked == [None, 3, 6]


def test_a_resumed_walk_goes_on_at_its_offset() -> None:
    rows = Rows(12, 3, 12)

    assert read_all(rows, ahead(rows, start=Start("6", 6)), "6") == ["6", "7", "8", "9", "10", "11"]
    assert rows.asked == ["6", 9]


def test_a_page_begun_early_is_fetched_once() -> None:
    rows = Rows(7, 3, 7)
    lookahead = ahead(rows)
    lookahead.begin()
    lookahead.begin()
    assert rows.asked == [None]
    lookahead.go_on()
    assert rows.asked == [None, 3, 6]

    assert len(read_all(rows, lookahead)) == 7
    assert rows.asked == [None, 3, 6]


@pytest.mark.parametrize(
    ("width", "early", "asked"), [(1, [], [None]), (2, [None], [None, 3, 6]), (3, [None], [None, 3, 6, 9])]
)
def test_a_width_of_one_is_no_reading_ahead(width: int, early: list[Token], asked: list[Token]) -> None:
    rows = Rows(20, 3, 20)
    lookahead = ahead(rows, width=width)

    lookahead.begin()
    assert rows.asked == early

    lookahead.take(None)
    assert rows.asked == asked


def test_what_has_been_taken_is_not_begun_again() -> None:
    rows = Rows(20, 3)
    lookahead = ahead(rows)
    lookahead.take(None)
    lookahead.begin()

    assert rows.asked == [None]


def test_a_first_page_that_fails_early_fails_where_it_is_taken() -> None:
    def refuse(*_: object) -> Page:
        raise RequestRefused("GET", "/v3/export-items", 422, "EXPORT_JOB_STATUS_UNPROCESSABLE", "")

    rows = Rows(12, 3, 12, change=refuse)
    lookahead = ahead(rows)
    lookahead.begin()
    lookahead.go_on()
    assert rows.asked == [None]

    with pytest.raises(RequestRefused):
        lookahead.take(None)


def test_a_first_page_still_on_its_way_is_not_waited_for() -> None:
    class OnItsWay(Future[object]):
        def result(self, timeout: float | None = None) -> object:
            raise AssertionError(f"waited for {timeout}")

        exception = result  # type: ignore[assignment] # neither may be asked for

    class Waiting(Foreground):
        def submit(self, *_: object) -> Future[object]:
            return OnItsWay()

    rows = Rows(12, 3, 12)
    lookahead = Lookahead(rows, Waiting(), lambda: 3, Start(), [].append)  # type: ignore[arg-type]
    lookahead.go_on()
    lookahead.begin()
    lookahead.go_on()

    assert rows.asked == []


def test_another_place_than_the_start_is_not_read_ahead() -> None:
    rows = Rows(12, 3, 12)
    lookahead = ahead(rows)

    assert lookahead.take("3") is None
    assert rows.asked == []


def rewritten(at: Token, **members: Any) -> Callable[[Page, Token], Page]:
    def change(found: Page, token: Token) -> Page:
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
def test_from_a_page_that_does_not_fit_on_it_goes_by_cursor(misfit: str) -> None:
    members, reason = MISFITS[misfit]
    rows = Rows(12, 3, 12, change=rewritten(6, **members))
    told: list[str] = []

    lookahead = ahead(rows, told=told)

    assert read_all(rows, lookahead) == [str(number) for number in range(12)]
    assert told == [reason]
    assert lookahead.gave_up is True
    assert rows.asked[-2:] == ["6", "9"]


def test_an_offset_that_is_refused_ends_the_reading_ahead_only() -> None:
    def refuse(found: Page, token: Token) -> Page:
        if token == 6:
            raise RequestRefused("GET", "/v3/export-items", 400, "BAD_REQUEST", "")
        return found

    rows = Rows(12, 3, 12, change=refuse)
    told: list[str] = []

    assert len(read_all(rows, ahead(rows, told=told))) == 12
    assert told == ["offset refused (400 BAD_REQUEST)"]


def test_another_refusal_is_not_swallowed() -> None:
    def refuse(found: Page, token: Token) -> Page:
        if token == 6:
            raise RequestRefused("GET", "/v3/export-items", 422, "EXPORT_JOB_STATUS_UNPROCESSABLE", "")
        return found

    rows = Rows(12, 3, 12, change=refuse)

    with pytest.raises(RequestRefused):
        read_all(rows, ahead(rows))


@pytest.mark.parametrize("total", [None, True, "12", 3, 2])
def test_without_a_usable_total_nothing_is_fetched_ahead(total: Any) -> None:
    rows = Rows(12, 3, total)

    assert len(read_all(rows, ahead(rows))) == 12
    assert rows.asked == [None, "3", "6", "9"]


def looped(*cursors: str) -> Callable[[Page, Token], Page]:
    """Let the pages after these cursors lead from one to the next, for ever."""
    following = dict(zip(cursors, (*cursors[1:], cursors[0]), strict=True))
    return lambda found, token: page(*found.records, end=following.get(str(token), cursors[0]))


@pytest.mark.parametrize("cursors", [("3",), ("3", "6"), ("3", "6", "9")])
def test_a_circle_of_cursors_ends(cursors: tuple[str, ...]) -> None:
    rows = Rows(12, 3, change=looped(*cursors))

    with pytest.raises(CursorStuckError) as caught:
        read_all(rows)

    assert str(caught.value) == "a page's 'endCursor' leads back to a page already read"

    assert len(rows.asked) == len(cursors) + 1


@pytest.mark.parametrize("cursor", [None, ""])
def test_a_next_page_without_a_cursor_is_an_error(cursor: str | None) -> None:
    rows = Rows(2, 3, change=lambda found, _: page(*found.records, end=cursor, more=True))

    with pytest.raises(CursorStuckError) as caught:
        read_all(rows)

    assert str(caught.value) == "a page claims a next one but has no 'endCursor'"


def test_an_empty_page_ends_nothing() -> None:
    pages = {None: page("0", end="a"), "a": page(end="b"), "b": page("1")}
    rows = Rows(0, change=lambda _, token: pages[token])  # type: ignore[index]

    assert read_all(rows) == ["0", "1"]
    assert CursorPaginator().continue_if_empty(None)
