"""The client-side request budget: a maximum number of requests in any 60 seconds."""

from __future__ import annotations

import threading
from collections import deque

# 60 seconds, and one more because requests take different times to arrive.
WINDOW_SECONDS = 61.0


class RequestBudget:
    """A sliding window over request times, shared by all streams and threads.

    Bursts are allowed: the budget may be used at once; then each further request waits until the oldest one has left
    the window. Source: Pleo's import pages ask integrations to stay below 500 requests a minute.
    """

    def __init__(self, max_requests: int, window: float = WINDOW_SECONDS) -> None:
        self._window = window
        self._taken: deque[float] = deque(maxlen=max_requests)
        self._lock = threading.Lock()

    def take(self, now: float) -> float:
        """Count one request and return the seconds to wait before sending it.

        Args:
            now: Seconds of a monotonic clock.
        """
        with self._lock:
            full = len(self._taken) == self._taken.maxlen
            start = max(now, self._taken[0] + self._window) if full else now
            self._taken.append(start)
            return start - now

    def wait(self, now: float, keep: int = 0) -> float:
        """Return the seconds that :meth:`take` would return, without counting a request.

        Args:
            now: Seconds of a monotonic clock.
            keep: Requests that are kept for others, at most half of the budget.
        """
        with self._lock:
            most = self._taken.maxlen or 1
            oldest = len(self._taken) - most + min(keep, most // 2)
            return max(0.0, self._taken[oldest] + self._window - now) if oldest >= 0 else 0.0
