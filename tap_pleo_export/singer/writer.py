"""Singer messages on standard output: one write per line, so that a kill tears none that fits a pipe's atomic write."""

from __future__ import annotations

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
        self.bytes_written = 0

    def write_message(self, message: Message) -> None:
        """Write one message."""
        self.write_lines((self.format_message(message),))

    def write_lines(self, lines: Iterable[bytes | bytearray]) -> None:
        """Write messages that are lines already, each with its line feed."""
        out = sys.stdout.buffer
        for line in lines:
            written = out.write(line)
            # Unbuffered standard output may take only a part of a line at once.
            while written < len(line):
                written += out.write(line[written:])
            out.flush()
            self.bytes_written += written
