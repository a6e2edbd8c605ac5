"""Singer messages on standard output: one write per line, so that a kill tears none that fits a pipe's atomic write."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.singerlib.encoding.simple import Message


class OutputError(Exception):
    """Standard output cannot be written; ``str()`` says why."""


class LineWriter(MsgSpecWriter):
    """The SDK's msgspec writer, with exact decimals, that also takes ready lines and counts bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_written = 0

    def write_message(self, message: Message) -> None:
        """Write one message."""
        self.write_lines((self.format_message(message),))

    def write_lines(self, lines: Iterable[bytes | bytearray]) -> None:
        """Write messages that are lines already, each with its line feed.

        Raises:
            OutputError: Whoever reads them has gone, or the disk is full.
        """
        # Past the buffer, which is empty, there is one system call per line.
        out = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
        try:
            for line in lines:
                written = out.write(line)
                while written < len(line):
                    written += out.write(line[written:])
                self.bytes_written += written
        except BrokenPipeError:
            raise OutputError("the process that reads this tap's output has ended: its own log says why") from None
        except OSError as error:
            raise OutputError(f"standard output cannot be written ({error.strerror})") from None
