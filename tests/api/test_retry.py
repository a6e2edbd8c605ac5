"""How long to wait, and when to give up."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.api.retry import RetryPolicy, attempts_made, parse_retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"), [(1, 0.5, 1), (2, 1, 2), (3, 2, 4), (7, 30, 60), (8, 30, 60)]
)
def test_waits_double_up_to_a_minute_and_half_of_each_is_random(attempt: int, shortest: float, longest: float) -> None:
    policy = RetryPolicy()

    assert (policy.wait(attempt, None, 0.0), policy.wait(attempt, None, 1.0)) == (shortest, longest)


@given(
    retries=st.integers(0, 50), attempt=st.integers(1, 100), jitter=st.floats(0, 1), asked=st.none() | st.floats(0, 900)
)
def test_no_attempt_beyond_the_retries(retries: int, attempt: int, jitter: float, asked: float | None) -> None:
    wait = RetryPolicy(max_retries=retries).wait(attempt, asked, jitter)

    assert (wait is None) == (attempt > retries)
    assert wait is None or 0 < wait <= 900


@pytest.mark.parametrize(
    ("asked", "wait"), [(0, 0.85), (0.5, 0.85), (300, 300), (900, 900), (900.1, None), (float("inf"), None)]
)
def test_retry_after_is_obeyed_up_to_the_deadline(asked: float, wait: float | None) -> None:
    assert RetryPolicy().wait(1, asked, 0.7) == wait


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        ("9" * 400, float("inf")),
        *((odd, None) for odd in ("-1", "1.5", "²", "", "soon")),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime((NOW + timedelta(seconds=90)).astimezone(timezone(timedelta(hours=5)))), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30),
        ("Sun Mar  1 12:00:30 2026", 30),
    ],
)
def test_both_forms_of_retry_after_are_read(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, None, NOW) == seconds


HEADERS = st.text() | st.from_regex(r"\w{3}, \d{1,5} \w{3} \d{1,12} \d+[:.]\d+[:.]\d+.{0,6}")


@given(HEADERS, st.none() | HEADERS)
def test_no_header_can_break_it(header: str, date: str | None) -> None:
    seconds = parse_retry_after(header, date, NOW)

    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("clock", [timedelta(minutes=-10), timedelta(0), timedelta(minutes=10)])
def test_date_counts_from_the_answers_date_not_this_clock(clock: timedelta) -> None:
    date, until = (format_datetime(NOW + timedelta(seconds=s), usegmt=True) for s in (0, 30))

    assert parse_retry_after(until, date, NOW + clock) == 30
    assert parse_retry_after("7", date, NOW + clock) == 7


@pytest.mark.parametrize("zone", ["JST-9", "EST5"])
def test_date_without_a_zone_is_in_utc(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as here:
        here.setenv("TZ", zone)
        time.tzset()
        seconds = parse_retry_after("Sun, 01 Mar 2026 12:00:30 -0000", None, NOW)
    time.tzset()

    assert seconds == 30


@pytest.mark.parametrize("year", ["99999999999", "0001", "9999"])
def test_absurd_year_is_ignored_or_beyond_the_deadline(year: str) -> None:
    seconds = parse_retry_after(f"Sun, 01 Mar {year} 12:00:30 GMT", None, NOW)

    assert seconds is None or seconds == 0 or seconds > RetryPolicy().deadline


class Busy(Exception):
    def __init__(self, retry_after: float | None = None) -> None:
        self.retry_after = retry_after


def test_attempts_wait_as_asked_and_announce_each_wait() -> None:
    failures = [Busy(90.0), Busy(), Busy()]
    waits: list[float] = []
    announced: list[tuple[BaseException, float]] = []

    def attempt(text: str) -> str:
        if failures:
            raise failures[0]
        return text

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        failures.pop(0)

    retrying = RetryPolicy(max_retries=3).attempts(
        lambda error: isinstance(error, Busy), before_wait=lambda *each: announced.append(each), sleep=sleep
    )

    assert retrying(attempt, "done") == "done"
    assert waits[0] == 90
    assert 1 <= waits[1] < 2 <= waits[2] < 4
    assert [(type(failure), seconds) for failure, seconds in announced] == [(Busy, seconds) for seconds in waits]
    assert attempts_made(retrying) == "4 attempts"


@pytest.mark.parametrize(
    ("error", "retries", "attempts"),
    [
        (Busy(), 0, "1 attempt"),
        (Busy(901.0), 8, "1 attempt"),
        (ValueError(), 8, "1 attempt"),
        (Busy(), 2, "3 attempts"),
        (Busy(), 1, "2 attempts"),
        (TimeoutError(), 1, "2 attempts"),
    ],
    ids=["no retries", "beyond the deadline", "another error", "retries used up", "one retry", "without Retry-After"],
)
def test_the_last_failure_is_raised(error: Exception, retries: int, attempts: str) -> None:
    def attempt() -> None:
        raise error

    retrying = RetryPolicy(max_retries=retries).attempts(
        lambda found: isinstance(found, (Busy, TimeoutError)), sleep=lambda _seconds: None
    )

    with pytest.raises(type(error)) as raised:
        retrying(attempt)
    assert raised.value is error
    assert attempts_made(retrying) == attempts


def test_no_attempt_starts_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    starts: list[float] = []

    def attempt() -> None:
        starts.append(clock[0])
        raise Busy(40.0)

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    with pytest.raises(Busy):
        RetryPolicy(deadline=100.0).attempts(lambda _error: True, sleep=sleep)(attempt)
    assert starts == [0, 40, 80]


def test_an_attempt_may_start_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    policy = RetryPolicy(max_retries=1, first_wait=100.0, longest_wait=100.0, deadline=100.0)
    retrying = policy.attempts(lambda _error: True, sleep=lambda _seconds: None)

    with pytest.raises(TimeoutError):
        retrying(_raise, TimeoutError())
    assert attempts_made(retrying) == "2 attempts"


def _raise(error: Exception) -> None:
    raise error
