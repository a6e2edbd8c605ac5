"""Singer messages on standard output, in writes that a kill does not tear where a pipe takes them whole."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from select import PIPE_BUF
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message

from tap_pleo_export.singer.exact_json import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager


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
        shield: Callable[[], AbstractContextManager[None]] = nullcontext,
        reader_gone: str = "the process that reads this tap's output has ended",
        stream: IO[bytes] | None = None,
    ) -> None:
        super().__init__()
        self.bytes_written = 0
        self._lines: list[bytes] = []
        self._size = 0
        self._hold = hold
        self._most = hold or PIPE_BUF
        self._shield = shield
        self._reader_gone = reader_gone
        self._stream = stream

    def serialize_message(self, message: object) -> bytes:
        """Return a message's line: one of the SDK's, what msgspec makes JSON of, or the bytes of the line itself."""
        if isinstance(message, bytes):
            return message
        return encode(message.to_dict() if isinstance(message, Message) else message)

    def write_message(self, message: object) -> None:
        """Write one message.

        Raises:
            OutputError: As :meth:`write_messages`.
        """
        self.write_messages((message,))

    def write_messages(self, messages: Iterable[object]) -> None:
        """Write messages, a line each; no line is split between two writes.

        Args:
            messages: As :meth:`serialize_message` takes them.

        Raises:
            OutputError: Whoever reads them has gone, or the disk is full.
        """
        for message in messages:
            line = self.serialize_message(message)
            if self._size + len(line) >= self._most:
                self.flush()
            self._lines.append(line)
            self._size += len(line) + 1
        if not self._hold:
            self.flush()

    def flush(self) -> None:
        """Write what is held.

        Raises:
            OutputError: As :meth:`write_messages`; what was held is discarded.
        """
        if not self._lines:
            return
        with self._shield():
            lines, self._lines, self._size = self._lines, [], 0
            self._write(b"\n".join([*lines, b""]))

    def _write(self, whole: bytes) -> None:
        # Past the buffer, which is empty: each write is a system call.
        out: Any = self._stream or getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
        try:
            written = out.write(whole)
            while written < len(whole):
                written += out.write(memoryview(whole)[written:])
        except BrokenPipeError:
            raise OutputError(f"{self._reader_gone}: its own log says why") from None
        except OSError as error:
            raise OutputError(f"standard output cannot be written ({error.strerror})") from None
        self.bytes_written += written
