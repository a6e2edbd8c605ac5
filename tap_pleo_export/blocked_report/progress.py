"""How far a long run is, on a terminal; nothing where nobody looks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

_WIDTH = 30
_PATIENCE = 1.0
_PACE = 0.1


class Progress:
    """A line that is written anew.

    Args:
        stream: Where it is written, if that is a terminal.
        total: Steps to the end; None if nobody knows.
        clock: Seconds.
    """

    def __init__(self, stream: TextIO, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stream = stream
        self._total = total
        self._done = 0
        self._records = 0
        self._shown = False
        self._quiet = not stream.isatty()
        self._next = self._clock() + _PATIENCE

    def tick(self, steps: int) -> None:
        """Count a record of so many steps."""
        self._records += 1
        self._done += steps
        if not self._quiet and self._clock() >= self._next:
            self._next = self._clock() + _PACE
            self._shown = True
            self._stream.write(f"\r{self._bar()}{self._records:,} records read ")
            self._stream.flush()

    def close(self) -> None:
        """Wipe the line."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _bar(self) -> str:
        if not self._total:
            return ""
        part = min(self._done / self._total, 1)
        full = round(part * _WIDTH)
        return f"[{'#' * full}{'.' * (_WIDTH - full)}] {part:4.0%}  "
