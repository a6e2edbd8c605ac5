"""Running processes: their output up to a piece, and the signals that stop them."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import IO, NamedTuple

import pytest

# As long as the tests give a whole process.
PATIENCE_SECONDS = 60.0


class Stop(NamedTuple):
    """A signal, and the exit code it leads to."""

    signal: signal.Signals
    code: int


BOTH_SIGNALS = pytest.mark.parametrize("stop", [Stop(signal.SIGTERM, 143), Stop(signal.SIGINT, 130)])


def read_until(stream: IO[bytes] | None, what: bytes, times: int = 1, patience: float = PATIENCE_SECONDS) -> bytes:
    """Return a process's output up to the piece in which ``what`` has come so often; the rest stays in the pipe.

    Raises:
        AssertionError: The process ended before, or ``patience`` seconds were over.
    """
    assert stream is not None
    seen = b""
    ends = time.monotonic() + patience
    # Not the file object's own methods: `communicate` would miss buffered output.
    while seen.count(what) < times:
        readable, _, _ = select.select([stream], [], [], max(0.0, ends - time.monotonic()))
        assert readable, f"{what!r} did not come {times} times in {patience:g} s: {seen[-1000:]!r}"
        piece = os.read(stream.fileno(), 1024)
        assert piece, f"the process ended before {what!r} came {times} times: {seen[-1000:]!r}"
        seen += piece
    return seen
