"""Decides when a STATE message is due. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

MAX_DELAY = 5.0


@dataclass(slots=True)
class StatePace:
    """Keeps STATE messages from outweighing RECORD messages.

    A STATE follows each page unless the last STATE was larger than everything written since. Then it waits until as
    many bytes have been written, at most five seconds.
    """

    size: int = 0
    written: int = 0
    at: float = float("-inf")

    def due(self, written: int, now: float) -> bool:
        """Return whether a STATE is due.

        Args:
            written: Bytes written so far in the run.
            now: Monotonic time in seconds.
        """
        return written - self.written >= self.size or now - self.at >= MAX_DELAY

    def emitted(self, size: int, written: int, now: float) -> None:
        """Record that a STATE of ``size`` bytes was written."""
        self.size, self.written, self.at = size, written, now
