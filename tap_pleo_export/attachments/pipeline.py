"""Lines that wait for background calls and are written in the order in which they arrived."""

from __future__ import annotations

import concurrent.futures
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

MAX_BYTES = 4 * 1024 * 1024
"""Limit for the waiting lines together."""


@dataclass(frozen=True, slots=True)
class _Entry:
    size: int
    emit: Callable[[], None]
    calls: Sequence[Future[Any]]


class Pipeline:
    """Emits entries in order, each once its calls are done and all entries before it have been emitted.

    The waiting entries together have at most `max_calls` calls and `max_bytes`; a single entry may exceed either.

    Args:
        max_calls: Limit for calls.
        max_bytes: Limit for bytes.
        in_doubt: Whether later calls decide about an entry, whose calls are done. It waits for them, unless there are
            none. An exception of this function ends the method that asked.
    """

    def __init__(
        self,
        max_calls: int,
        max_bytes: int = MAX_BYTES,
        in_doubt: Callable[[Sequence[Future[Any]]], bool] = lambda _: False,
    ) -> None:
        self._max_calls = max_calls
        self._max_bytes = max_bytes
        self._in_doubt = in_doubt
        self._waiting: deque[_Entry] = deque()
        self._calls = 0
        self._bytes = 0

    def submit(self, size: int, emit: Callable[[], None], calls: Sequence[Future[Any]] = ()) -> None:
        """Add an entry of `size` bytes, to be emitted after its calls; at a limit, wait for the first ones."""
        self._waiting.append(_Entry(size, emit, calls))
        self._calls += len(calls)
        self._bytes += size
        self.flush_ready()
        while self._waiting and (self._calls > self._max_calls or self._bytes > self._max_bytes):
            self._wait()

    def flush_ready(self) -> bool:
        """Emit the entries that are ready; return whether any are still waiting."""
        while self._waiting and all(call.done() for call in self._waiting[0].calls):
            if self._in_doubt(self._waiting[0].calls):
                break
            self._emit()
        return bool(self._waiting)

    def finish(self) -> None:
        """Wait for all entries and emit them."""
        while self.flush_ready():
            self._wait()

    def cancel(self, timeout: float = 2.0) -> None:
        """Drop the waiting entries, and give their calls, already stopped, at most `timeout` seconds to clean up."""
        calls = [call for waiting in self._waiting for call in waiting.calls]
        self._waiting.clear()
        concurrent.futures.wait(calls, timeout)

    def _emit(self) -> None:
        first = self._waiting.popleft()
        self._calls -= len(first.calls)
        self._bytes -= first.size
        first.emit()

    def _wait(self) -> None:
        first = self._waiting[0].calls
        concurrent.futures.wait(first)
        if self._in_doubt(first):
            concurrent.futures.wait([call for entry in self._waiting for call in entry.calls])
            self._in_doubt(first)
        self._emit()
        self.flush_ready()
