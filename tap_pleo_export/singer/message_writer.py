"""Writes Singer messages to standard output, so that a kill leaves whole lines where a pipe takes writes whole."""

from __future__ import annotations

import logging
import os
import re
import select
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from select import PIPE_BUF
from typing import IO, Any

from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message

from tap_pleo_export.singer.exact_json import encode, encode_into

logger = logging.getLogger("singer.output")

MAX_DELAY = 5.0
# Meltano sets this for its plugins; the longest line it accepts is half of this size.
BUFFER_VARIABLE = "MELTANO_ELT_BUFFER_SIZE"
_NAMED = re.compile(rb'"(stream|exportJobId|jobId|accountingEntryId)":"([^"]{1,100})"')


class OutputError(Exception):
    """Standard output cannot be written; the message says why."""


class LineWriter(GenericSingerWriter[bytes, object]):
    """Writes messages as whole lines of exact JSON, and counts bytes.

    Args:
        hold: Bytes to collect for one write; they wait for :meth:`flush`. By default lines are written at once, several
            in one write only if a pipe takes it whole.
        shield: Context that delays signals while lines are written.
        reader_gone: Text of the error when the reading process has ended.
        stream: Unbuffered binary stream; by default standard output, bypassing its buffer.
    """

    def __init__(
        self,
        *,
        hold: int = 0,
        shield: Callable[[], AbstractContextManager[None]] = nullcontext,
        reader_gone: str = "the process that reads this tap's output has ended",
        stream: IO[bytes] | None = None,
    ) -> None:
        super().__init__()
        self.bytes_written = 0
        self._lines = bytearray()
        self._hold = hold
        self._most = hold or PIPE_BUF
        self._shield = shield
        self._reader_gone = reader_gone
        self._stream = stream
        self._longest = max_line_bytes()

    def serialize_message(self, message: object) -> bytes:
        """Return the line of a message, also of the SDK's message classes."""
        if isinstance(message, bytes):
            return message
        return encode(message.to_dict() if isinstance(message, Message) else message)

    def write_message(self, message: object) -> None:
        """Write one message, as :meth:`write_messages`."""
        self.write_messages((self.serialize_message(message),))

    def write_messages(self, messages: Iterable[object]) -> None:
        """Write messages (bytes, or objects that msgspec encodes), one line each; no line is split between writes.

        Raises:
            OutputError: The reading process has ended, or the disk is full.
        """
        lines, most, longest = self._lines, self._most, self._longest
        for message in messages:
            end = len(lines)
            try:
                if isinstance(message, bytes):
                    lines += message
                else:
                    encode_into(message, lines, -1)
                lines += b"\n"
            except BaseException:
                # Leave no partial line behind, not even after a signal's SystemExit.
                del lines[end:]
                raise
            size = len(lines)
            if size - end > longest:
                _warn_of(lines[end:], longest)
            if end and size > most:
                self._write(end)
        if lines and not self._hold:
            self._write(len(lines))

    def flush(self) -> None:
        """Write the collected lines; discard them if they cannot be written (OutputError)."""
        if self._lines:
            self._write(len(self._lines))

    @cached_property
    def _out(self) -> Any:  # noqa: ANN401 - the raw layer if standard output has one
        # Bypass the empty buffer: each write is a system call.
        return self._stream or getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)

    def _write(self, size: int) -> None:
        with self._shield():
            self._write_now(size)

    def _write_now(self, size: int) -> None:
        whole = self._lines[:size]
        del self._lines[:size]
        out = self._out
        try:
            written = 0
            while written < size:
                taken = out.write(whole[written:] if written else whole)
                if taken is None:
                    # The pipe is non-blocking and full.
                    select.select((), (out,), ())
                else:
                    written += taken
        except BrokenPipeError:
            raise OutputError(f"{self._reader_gone}: its own log says why") from None
        except OSError as error:
            raise OutputError(f"cannot write to standard output ({error.strerror})") from None
        self.bytes_written += written


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


def max_line_bytes() -> float:
    """Return how many bytes a line may have; only Meltano sets a limit."""
    size = os.environ.get(BUFFER_VARIABLE, "")
    return int(size) // 2 if size.isascii() and size.isdigit() else float("inf")


def _warn_of(line: bytearray, longest: float) -> None:
    """Warn of a line that makes Meltano end the run, because Meltano names neither record nor size."""
    named = dict(reversed(_NAMED.findall(bytes(line))))
    names = ", ".join(f"{name.decode()} {value.decode(errors='replace')}" for name, value in reversed(named.items()))
    logger.warning(
        "The next message has %s bytes (%s), more than Meltano's limit of %s: set elt.buffer_size "
        "(%s) to %d or more, then run again",
        f"{len(line) - 1:,}",
        names or "no record",
        f"{longest:,.0f}",
        BUFFER_VARIABLE,
        2 * len(line),
    )
