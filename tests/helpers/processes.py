"""Reading a running process's output without losing any of it to a buffer."""

from __future__ import annotations

import os
from typing import IO


def read_until(stream: IO[bytes] | None, what: bytes, times: int = 1) -> bytes:
    """Return a process's output up to the piece in which ``what`` has come so often; the rest stays in the pipe."""
    assert stream is not None
    seen = b""
    # Not the file object's own methods: `communicate` would not see what they have buffered.
    while seen.count(what) < times:
        piece = os.read(stream.fileno(), 1024)
        assert piece, f"the process ended before {what!r} came {times} times: {seen[-1000:]!r}"
        seen += piece
    return seen
