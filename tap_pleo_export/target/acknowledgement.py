"""Which state may be passed on: one that covers nothing unsettled. Pure."""

from __future__ import annotations

import math

# More waiting states than this are thinned out: each may be large, and none but the newest must be passed on.
MOST_WAITING = 8


class Acknowledgement:
    """States in the order in which they came, among what they cover; places are lines of the input.

    A state is due once everything before it is settled, and nothing that waits for the end of the input came before it.
    """

    def __init__(self) -> None:
        self._open: dict[int, None] = {}
        self._waiting: list[tuple[int, bytes]] = []
        self._held: tuple[int, bytes] | None = None
        self._holding = False

    def begin(self, line: int) -> None:
        """Note that a line has brought something to be settled."""
        self._open[line] = None

    def settle(self, line: int) -> None:
        """Note that nothing more will be done about it."""
        self._open.pop(line, None)

    def is_open(self, line: int) -> bool:
        """Return whether what a line brought is not settled yet."""
        return line in self._open

    @property
    def unsettled(self) -> int:
        """How much of what came is not settled."""
        return len(self._open)

    def hold(self) -> None:
        """Keep back all states that come from now on until :meth:`release`."""
        self._holding = True

    def release(self) -> None:
        """Let go what was kept back: the input has ended, and all that waited for it is settled."""
        self._holding = False
        if self._held is not None:
            self._waiting.append(self._held)
            self._held = None

    def add(self, state: bytes, line: int) -> None:
        """Take a state, as JSON."""
        if self._holding:
            self._held = line, state
            return
        self._waiting.append((line, state))
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[1:-1:2]

    def due(self) -> bytes | None:
        """Return the newest state that covers nothing unsettled, once; None if there is none."""
        first_open = next(iter(self._open), math.inf)
        passed = None
        while self._waiting and self._waiting[0][0] < first_open:
            passed = self._waiting.pop(0)[1]
        return passed
