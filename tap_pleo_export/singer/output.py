"""Singer messages on standard output, in writes that a kill does not tear where a pipe takes them whole."""

from __future__ import annotations

import sys
from select import PIPE_BUF
from typing import TYPE_CHECKING

import msgspec
from singer_sdk.contrib.msgspec import MsgSpecWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.singerlib.encoding.simple import Message

_encode_into = msgspec.json.Encoder(decimal_format="number").encode_into


class OutputError(Exception):
    """Standard output cannot be written; ``str()`` says why."""


class LineWriter(MsgSpecWriter):
    """The SDK's msgspec writer, with exact decimals, that also encodes messages itself and counts bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_written = 0

    def write_message(self, message: Message) -> None:
        """Write one message.

        Raises:
            OutputError: As :meth:`write_messages`.
        """
        self._write(self.format_message(message))

    def write_messages(self, messages: Iterable[object]) -> None:
        """Write messages, a line each: no line in two writes, and several in one only where a pipe takes it whole.

        Args:
            messages: What a msgspec encoder makes Singer messages of.

        Raises:
            OutputError: Whoever reads them has gone, or the disk is full.
        """
        lines = bytearray()
        for message in messages:
            end = len(lines)
            _encode_into(message, lines, -1)
            lines += b"\n"
            if end and len(lines) > PIPE_BUF:
                self._write(lines[:end])
                del lines[:end]
        if lines:
            self._write(lines)

    def _write(self, whole: bytes | bytearray) -> None:
        # Past the buffer, which is empty: each write is a system call.
        out = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
        try:
            written = out.write(whole)
            while written < len(whole):
                written += out.write(whole[written:])
        except BrokenPipeError:
            raise OutputError("the process that reads this tap's output has ended: its own log says why") from None
        except OSError as error:
            raise OutputError(f"standard output cannot be written ({error.strerror})") from None
        self.bytes_written += written
