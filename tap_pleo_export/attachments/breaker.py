"""Pauses requests to a host that keeps failing, so that an outage does not delay the load. No I/O."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MAX_IN_A_ROW = 4
"""Failures in a row after which a host, or the store, counts as unavailable."""


class HostBreaker:
    """Leaves a host alone after :data:`MAX_IN_A_ROW` failed files in a row; safe to share between threads.

    After a pause one file is tried: if it arrives, the others follow, otherwise the next pause begins.

    Args:
        pause: Seconds until a host is tried again; at least as long as a file may take.
        clock: Returns the time in seconds.
    """

    def __init__(self, pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        # Failures in a row and the end of the pause, by host.
        self._failing: dict[str, tuple[int, float]] = {}

    def allows(self, host: str) -> bool:
        """Return whether a file may be requested now."""
        with self._lock:
            failures, ends = self._failing.get(host, (0, 0.0))
            if failures < MAX_IN_A_ROW:
                return True
            if self._clock() < ends:
                return False
            # Until this file is done, the others still wait for the host.
            self._failing[host] = (failures, self._clock() + self._pause)
            return True

    def record(self, host: str, *, failed: bool) -> None:
        """Count a file's outcome; any answer of the host, an error too, ends the row of failures."""
        with self._lock:
            if failed:
                failures = self._failing.get(host, (0, 0.0))[0] + 1
                self._failing[host] = (failures, self._clock() + self._pause)
            else:
                self._failing.pop(host, None)
