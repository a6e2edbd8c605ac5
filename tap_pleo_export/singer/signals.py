"""SIGTERM and SIGINT end a run at once while it waits, but never inside a page."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# The same signal often comes twice at once: to the process, and to its process group.
SECOND_SIGNAL_SECONDS = 1.0


class Interrupts:
    """Turns a signal into ``SystemExit(128 + signal number)`` where the run can be interrupted.

    Outside of :meth:`allowed` a signal is only recorded. A second signal, at least one second later, ends the run
    anywhere.

    Args:
        grace: Seconds after a signal until the run ends even inside :meth:`shielded`; by default unlimited.
    """

    def __init__(self, *, grace: float | None = None) -> None:
        self._grace = grace
        self._exposed = False
        self._allowed = False
        self._shields = 0
        self._lock = threading.Lock()
        self._pending: int | None = None
        self._first_at = 0.0
        self._check_again = False

    def install(self) -> None:
        """Install the signal handlers."""
        for number in SIGNALS:
            signal.signal(number, self.handle)

    def handle(self, number: int, _frame: FrameType | None = None) -> None:
        """Handle a signal."""
        if self._pending is None:
            self._pending = number
            self._first_at = time.monotonic()
            if self._grace is not None:
                signal.signal(signal.SIGALRM, self._too_late)
                signal.setitimer(signal.ITIMER_REAL, self._grace)
            self._stop_if_allowed()
        elif self._check_again:
            self._check_again = False
            self._stop_if_allowed()
        elif time.monotonic() - self._first_at >= SECOND_SIGNAL_SECONDS:
            raise SystemExit(128 + self._pending)

    def pending(self) -> bool:
        """Return whether a signal was received."""
        return self._pending is not None

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Allow a signal to end the run inside this block."""
        self._allowed = True
        try:
            self._stop_if_allowed()
            yield
        except Exception:
            # An error caused by the interruption, such as a lock in use, is not a separate failure.
            if self._pending is not None:
                raise SystemExit(128 + self._pending) from None
            raise
        finally:
            self._allowed = False

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """Finish this block before a signal ends the run, even inside :meth:`allowed`."""
        with self._lock:
            self._shields += 1
        try:
            yield
        finally:
            with self._lock:
                self._shields -= 1
            if threading.current_thread() is threading.main_thread():
                self._stop_if_allowed()
            elif self._pending is not None:
                # Only the main thread can end the run: make it check again.
                self._check_again = True
                signal.pthread_kill(threading.main_thread().ident or 0, self._pending)

    def sleep(self, seconds: float) -> None:
        """Wait; with a grace period, a signal ends wait and run even inside :meth:`shielded`."""
        self._exposed = self._grace is not None and threading.current_thread() is threading.main_thread()
        try:
            self._stop_if_allowed()
            time.sleep(seconds)
        finally:
            self._exposed = False

    def _too_late(self, _number: int, _frame: FrameType | None = None) -> None:
        raise SystemExit(128 + (self._pending or 0))

    def _stop_if_allowed(self) -> None:
        if self._pending is not None and self._allowed and (self._exposed or not self._shields):
            raise SystemExit(128 + self._pending)
