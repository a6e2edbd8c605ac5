"""Lines that wait for what goes on beside them, and leave in the order in which they came."""

from __future__ import annotations

import concurrent.futures
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

MOST_BYTES = 4 * 1024 * 1024
"""Of lines that wait; more are taken only when some have left."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    size: int
    leave: Callable[[], None]
    calls: Sequence[Future[Any]] = ()

    def ready(self) -> bool:
        return all(call.done() for call in self.calls)


class Pipeline:
    """Lets what is pushed leave in order, each as soon as its calls are done and all before it has left.

    Args:
        most_calls: Calls that may wait together, as far as they are of several lines.
        most_bytes: Of the lines that wait, likewise.
    """

    def __init__(self, most_calls: int, most_bytes: int = MOST_BYTES) -> None:
        self._most_calls = most_calls
        self._most_bytes = most_bytes
        self._waiting: deque[_Waiting] = deque()
        self._calls = 0
        self._bytes = 0

    def push(self, size: int, leave: Callable[[], None], calls: Sequence[Future[Any]] = ()) -> None:
        """Take something in; where too much waits, wait for the first of it.

        Args:
            size: Bytes that it holds.
            leave: Called when it is its turn; calls are done then, and may be asked for their results.
            calls: What it waits for.
        """
        self._waiting.append(_Waiting(size, leave, calls))
        self._calls += len(calls)
        self._bytes += size
        self.settle()
        while self._waiting and (self._calls > self._most_calls or self._bytes > self._most_bytes):
            self._wait()

    def settle(self) -> bool:
        """Let leave what may; return whether anything waits still."""
        while self._waiting and self._waiting[0].ready():
            first = self._waiting.popleft()
            self._calls -= len(first.calls)
            self._bytes -= first.size
            first.leave()
        return bool(self._waiting)

    def finish(self) -> None:
        """Wait for everything, and let it leave."""
        while self.settle():
            self._wait()

    def abandon(self, patience: float = 2.0) -> None:
        """Let nothing else leave; give the calls that were told to stop a moment to clean up.

        Args:
            patience: Seconds, at most.
        """
        calls = [call for waiting in self._waiting for call in waiting.calls]
        self._waiting.clear()
        concurrent.futures.wait(calls, patience)

    def _wait(self) -> None:
        concurrent.futures.wait(self._waiting[0].calls)
        self.settle()
