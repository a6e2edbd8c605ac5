"""A pipe between two processes that keeps a copy of what goes through it."""

from __future__ import annotations

import os
from threading import Thread
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PIECE = 65_536


class Wiretap:
    """Passes on what a process writes, and keeps it in a file.

    If the reader ends first, what the writer has written already is kept, too, before the pipe breaks for it.

    Args:
        source: The writer's end; closed when all is done.
        copy: The file.
    """

    def __init__(self, source: IO[bytes], copy: Path) -> None:
        self._source = source
        self._copy = copy
        self._sink = -1
        self._thread = Thread(target=self._pass_on, name="wiretap")

    def start(self) -> IO[bytes]:
        """Begin, and return the reader's end."""
        reader, self._sink = os.pipe()
        self._thread.start()
        return os.fdopen(reader, "rb")

    def join(self) -> None:
        """Wait until the writer has ended."""
        self._thread.join()

    def _pass_on(self) -> None:
        source = self._source.fileno()
        with self._source, self._copy.open("wb", buffering=0) as copy, os.fdopen(self._sink, "wb", 0) as sink:
            while piece := os.read(source, _PIECE):
                copy.write(piece)
                try:
                    sink.write(piece)
                except BrokenPipeError:
                    self._drain(source, copy)
                    return

    def _drain(self, source: int, copy: IO[bytes]) -> None:
        os.set_blocking(source, False)
        try:
            while piece := os.read(source, _PIECE):
                copy.write(piece)
        except BlockingIOError:
            return
