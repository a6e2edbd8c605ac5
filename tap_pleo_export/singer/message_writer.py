"""Singer messages on standard output, in writes that a kill does not tear where a pipe takes them whole."""

from __future__ import annotations

import logging
import os
import re
import select
import sys
from functools import cached_property
from select import PIPE_BUF
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message

from tap_pleo_export.singer.exact_json import encode, encode_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager


logger = logging.getLogger("singer.output")

# Half of its buffer is the longest line that Meltano takes; it tells its plugins how large that is.
BUFFER_VARIABLE = "MELTANO_ELT_BUFFER_SIZE"
_NAMED = re.compile(rb'"(stream|exportJobId|jobId|accountingEntryId)":"([^"]{1,100})"')


class OutputError(Exception):
    """Standard output cannot be written; ``str()`` says why."""


class LineWriter(GenericSingerWriter[bytes, object]):
    """Writes messages as whole lines of exact JSON, and counts bytes.

    Args:
        hold: How many bytes may wait for :meth:`flush`, all in one write; by default none, and lines share a write only
            where a pipe takes it whole.
        shield: Holds off, while lines are written, whatever might raise between two parts of them.
        reader_gone: How an error says that nobody reads any more.
        stream: A binary stream without a buffer; by default standard output, past its buffer.
    """

    def __init__(
        self,
        *,
        hold: int = 0,
        shield: Callable[[], AbstractContextManager[None]] | None = None,
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
        self._longest = longest_line()

    def serialize_message(self, message: object) -> bytes:
        """Return a message's line, as :meth:`write_messages` takes it or of the SDK's classes."""
        if isinstance(message, bytes):
            return message
        return encode(message.to_dict() if isinstance(message, Message) else message)

    def write_message(self, message: object) -> None:
        """Write one message.

        Args:
            message: As :meth:`serialize_message` takes it.

        Raises:
            OutputError: As :meth:`write_messages`.
        """
        self.write_messages((self.serialize_message(message),))

    def write_messages(self, messages: Iterable[object]) -> None:
        """Write messages, a line each; no line is split between two writes.

        Args:
            messages: What a msgspec encoder makes Singer messages of, or the bytes of lines.

        Raises:
            OutputError: Whoever reads them has gone, or the disk is full.
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
                # Of a signal's SystemExit, too, no part of a line is left behind.
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
        """Write what is held.

        Raises:
            OutputError: As :meth:`write_messages`; what was held is discarded.
        """
        if self._lines:
            self._write(len(self._lines))

    @cached_property
    def _out(self) -> Any:  # noqa: ANN401 - raw, where standard output has such a layer
        # Past the buffer, which is empty: each write is a system call.
        return self._stream or getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)

    def _write(self, size: int) -> None:
        if self._shield is None:
            self._write_now(size)
        else:
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
                    # A pipe that does not block, and is full.
                    select.select((), (out,), ())
                else:
                    written += taken
        except BrokenPipeError:
            raise OutputError(f"{self._reader_gone}: its own log says why") from None
        except OSError as error:
            raise OutputError(f"standard output cannot be written ({error.strerror})") from None
        self.bytes_written += written


def longest_line() -> float:
    """Return how many bytes a line may have for whoever runs this process; there is no limit but Meltano's."""
    size = os.environ.get(BUFFER_VARIABLE, "")
    return int(size) // 2 if size.isascii() and size.isdigit() else float("inf")


def _warn_of(line: bytearray, longest: float) -> None:
    """Name a line that Meltano will end the run for: its own message names neither record nor size."""
    named = dict(reversed(_NAMED.findall(bytes(line))))
    names = ", ".join(f"{name.decode()} {value.decode(errors='replace')}" for name, value in reversed(named.items()))
    logger.warning(
        "A message of %s bytes (%s) follows, and Meltano takes no more than %s: set elt.buffer_size "
        "(%s) to %d or more, then run again",
        f"{len(line) - 1:,}",
        names or "no record",
        f"{longest:,.0f}",
        BUFFER_VARIABLE,
        2 * len(line),
    )
