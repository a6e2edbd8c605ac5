"""How long to wait before the next attempt. Pure: no clock, no HTTP, no randomness of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again and when to give up; all times in seconds.

    Attributes:
        max_retries: Attempts beyond the first.
        first_wait: Upper bound of the first wait without ``Retry-After``; doubles with each attempt.
        longest_wait: Upper bound of any wait without ``Retry-After``.
        deadline: No attempt starts later than this after the first, whatever Pleo asks for.
    """

    max_retries: int = 8
    first_wait: float = 1.0
    longest_wait: float = 60.0
    deadline: float = 900.0

    def wait(self, attempt: int, retry_after: float | None, jitter: float) -> float | None:
        """Return the seconds to wait after a failed attempt, or None to give up.

        Args:
            attempt: Number of the attempt that failed, from 1.
            retry_after: What Pleo asked for, if it did: obeyed where it is more than the wait without it.
            jitter: A random number in [0, 1): half of the exponential wait is fixed, half is drawn.
        """
        if attempt > self.max_retries:
            return None
        bound = min(self.longest_wait, self.first_wait * 2.0 ** min(attempt - 1, 32))
        wait = max(bound * (1 + jitter) / 2, retry_after or 0.0)
        return wait if wait <= self.deadline else None


def parse_retry_after(value: str | None, date: str | None, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, or None if it is absent or unreadable.

    Both forms of RFC 9110 are read: delay in seconds, and HTTP date, which counts from the answer's own ``Date``.

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
