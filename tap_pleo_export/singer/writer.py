"""Singer messages on standard output: one write per line, so that a kill tears none that fits a pipe's atomic write."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.singerlib.encoding.simple import Message


class LineWriter(MsgSpecWriter):
    """The SDK's msgspec writer, with exact decimals, that also takes ready lines and counts bytes."""

    def __init__(self) -> None:
        super().__init__()
        stdout = sys.stdout.buffer
        # Unbuffered standard output may write only a part of a line at once.
        self._out = io.BufferedWriter(stdout) if isinstance(stdout, io.RawIOBase) else stdout
        self.bytes_written = 0

    def write_message(self, message: Message) -> None:
        """Write one message."""
        self.write_lines((self.format_message(message),))

    def write_lines(self, lines: Iterable[bytes | bytearray]) -> None:
        """Write messages that are lines already, each with its line feed."""
        write, flush = self._out.write, self._out.flush
        for line in lines:
            self.bytes_written += write(line)
            flush()
