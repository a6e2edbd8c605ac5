"""When to try again: the one policy and the one retry loop."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import tenacity


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again and when to give up; all times in seconds.

    Attributes:
        max_retries: Attempts beyond the first.
        first_wait: Upper bound of the first wait without ``Retry-After``; doubles with each attempt.
        longest_wait: Upper bound of any wait without ``Retry-After``.
        deadline: No attempt starts later than this after the first, even if the server asks for more.
    """

    max_retries: int = 8
    first_wait: float = 1.0
    longest_wait: float = 60.0
    deadline: float = 900.0

    def wait(self, attempt: int, retry_after: float | None, jitter: float) -> float | None:
        """Return the seconds to wait after a failed attempt, or None to give up.

        Args:
            attempt: Number of the attempt that failed, from 1.
            retry_after: Seconds that the server asked for, or None; obeyed if longer than the wait without it.
            jitter: A random number in [0, 1): half of the exponential wait is fixed, half is random.
        """
        if attempt > self.max_retries:
            return None
        bound = min(self.longest_wait, self.first_wait * 2.0 ** min(attempt - 1, 32))
        wait = max(bound * (1 + jitter) / 2, retry_after or 0.0)
        return wait if wait <= self.deadline else None

    def attempts(
        self,
        retry_if: Callable[[BaseException], bool],
        *,
        before_wait: Callable[[BaseException, float], None] = lambda _failure, _seconds: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> tenacity.Retrying:
        """Return attempts to be made until one succeeds; the last failure is raised.

        Args:
            retry_if: Whether a failure may pass; its ``retry_after``, seconds or None, is the server's request.
            before_wait: Called with the failure and the seconds before each wait.
            sleep: Waits; raises to end the wait early.
        """

        def next_wait(state: tenacity.RetryCallState, jitter: float) -> float | None:
            return self.wait(state.attempt_number, getattr(_failure(state), "retry_after", None), jitter)

        def stop(state: tenacity.RetryCallState) -> bool:
            # Asked before the wait is drawn: the longest possible one decides about the deadline.
            wait = next_wait(state, 1.0)
            return wait is None or (state.seconds_since_start or 0.0) + wait > self.deadline

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(retry_if),
            wait=lambda state: next_wait(state, random.random()) or 0.0,  # noqa: S311 - spreads load, guards nothing
            stop=stop,
            before_sleep=lambda state: before_wait(_failure(state), state.upcoming_sleep),
            sleep=sleep,
            reraise=True,
        )


def attempts_made(retrying: tenacity.Retrying) -> str:
    """Return how many attempts a call made, such as "1 attempt"."""
    count = retrying.statistics["attempt_number"]
    return f"{count} attempt{'s' if count > 1 else ''}"


def _failure(state: tenacity.RetryCallState) -> BaseException:
    failure = state.outcome.exception() if state.outcome else None
    assert failure is not None  # noqa: S101 - only failures are retried
    return failure


def parse_retry_after(value: str | None, date: str | None, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, or None if it is absent or unreadable.

    Both forms of RFC 9110 are read: a delay in seconds, and an HTTP date relative to the answer's own ``Date``.

    Args:
        value: The header.
        date: The answer's ``Date`` header, if it has one.
        now: This machine's time, for an answer without a readable ``Date``.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    when = _http_date(value)
    if when is None:
        return None
    return max(0.0, (when - (_http_date(date) or now)).total_seconds())


def _http_date(value: str | None) -> datetime | None:
    try:
        when = parsedate_to_datetime(value or "")
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
