"""When a STATE message is due. Pure: the clock and the sizes are given."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_DELAY = 5.0


@dataclass(slots=True)
class StatePace:
    """Keeps STATE messages from outweighing RECORD messages.

    A STATE follows each page unless the last one was larger than what has been written since; then it waits until as
    many bytes have been written, five seconds at most.
    """

    size: int = 0
    written: int = 0
    at: float = float("-inf")

    def due(self, written: int, now: float) -> bool:
        """Return whether a STATE is due.

        Args:
            written: Bytes of records written so far in the run.
            now: A monotonic clock's reading in seconds.
        """
        return written - self.written >= self.size or now - self.at >= LONGEST_DELAY

    def emitted(self, size: int, written: int, now: float) -> None:
        """Note that a STATE of ``size`` bytes has been written."""
        self.size, self.written, self.at = size, written, now
