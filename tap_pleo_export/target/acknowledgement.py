"""Which state may be passed on: one that covers only settled records. No I/O."""

from __future__ import annotations

import math

# States may be large, and only the newest must be passed on: beyond this number, some are dropped.
MAX_WAITING_STATES = 8


class Acknowledgement:
    """States in input order, and the records that they cover; positions are line numbers of the input.

    A state is due once every record before it is settled, unless an earlier record waits for the end of the input.
    """

    def __init__(self) -> None:
        self._open: dict[int, None] = {}
        self._waiting: list[tuple[int, bytes]] = []
        self._deferred: tuple[int, bytes] | None = None
        self._deferring = False

    def begin(self, line: int) -> None:
        """Note a record that must be settled."""
        self._open[line] = None

    def settle(self, line: int) -> None:
        """Note that a record is settled: nothing more will be done about it."""
        self._open.pop(line, None)

    def is_open(self, line: int) -> bool:
        """Return whether a record is not settled yet."""
        return line in self._open

    @property
    def unsettled(self) -> int:
        """Number of records that are not settled."""
        return len(self._open)

    def defer(self) -> None:
        """Keep back all later states until :meth:`release`."""
        self._deferring = True

    def release(self) -> None:
        """Release the states kept back: the input has ended, and the records that waited for it are settled."""
        self._deferring = False
        if self._deferred is not None:
            self._waiting.append(self._deferred)
            self._deferred = None

    def add(self, state: bytes, line: int) -> None:
        """Add a state, as JSON."""
        if self._deferring:
            self._deferred = line, state
            return
        self._waiting.append((line, state))
        if len(self._waiting) > MAX_WAITING_STATES:
            del self._waiting[1:-1:2]

    def due(self) -> bytes | None:
        """Return the newest state that covers only settled records, once."""
        first_open = next(iter(self._open), math.inf)
        due = None
        while self._waiting and self._waiting[0][0] < first_open:
            due = self._waiting.pop(0)[1]
        return due
