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
        longest_retry_after: A longer ``Retry-After`` is not waited for: jobs would expire meanwhile.
        deadline: No attempt starts later than this after the first.
    """

    max_retries: int = 8
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 300.0
    deadline: float = 900.0

    def wait(self, attempt: int, retry_after: float | None, jitter: float) -> float | None:
        """Return the seconds to wait after a failed attempt, or None to give up.

        Args:
            attempt: Number of the attempt that failed, from 1.
            retry_after: What Pleo asked for, if it did: obeyed to the letter.
            jitter: A random number in [0, 1): half of the exponential wait is fixed, half is drawn.
        """
        if attempt > self.max_retries:
            return None
        if retry_after is not None:
            return retry_after if retry_after <= self.longest_retry_after else None
        bound = min(self.longest_wait, self.first_wait * 2.0 ** min(attempt - 1, 32))
        return bound * (1 + jitter) / 2


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, or None if it is absent or unreadable.

    Both forms of RFC 9110 are read: delay in seconds, and HTTP date.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
