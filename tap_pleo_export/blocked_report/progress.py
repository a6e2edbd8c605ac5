"""Progress of a long run, shown on a terminal only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

_WIDTH = 30
_DELAY = 1.0
_INTERVAL = 0.1


class Progress:
    """A line that is overwritten; nothing if the stream is not a terminal. The total is a number of steps, if known."""

    def __init__(self, stream: TextIO, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._stream, self._total = clock, stream, total
        self._done = self._records = 0
        self._shown = False
        self._enabled = stream.isatty()
        self._next = self._clock() + _DELAY

    def tick(self, steps: int) -> None:
        """Count one record and its steps."""
        self._records += 1
        self._done += steps
        if self._enabled and self._clock() >= self._next:
            self._next = self._clock() + _INTERVAL
            self._shown = True
            self._stream.write(f"\r{self._bar()}{self._records:,} records read ")
            self._stream.flush()

    def close(self) -> None:
        """Erase the line."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _bar(self) -> str:
        if not self._total:
            return ""
        part = min(self._done / self._total, 1)
        full = round(part * _WIDTH)
        return f"[{'#' * full}{'.' * (_WIDTH - full)}] {part:4.0%}  "
