"""Programs on a pseudo-terminal, and their screens."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

_CODES = re.compile(r"\x1b\[([KJA])|(\r)|(\n)|([^\x1b\r\n]+)")


class Screen:
    """The lines of a terminal that scrolls, after it received an output.

    Attributes:
        lines: Its lines, without the empty ones at the end.
        shown: The lines as they were each time the cursor left them.
    """

    def __init__(self, output: bytes) -> None:
        self._lines = [""]
        self._row = self._column = 0
        self.shown: list[str] = []
        text = output.decode()
        assert re.sub(_CODES, "", text) == ""
        for match in _CODES.finditer(text):
            self._apply(match[1] or match[0])
        self.lines = "\n".join(line.rstrip() for line in self._lines).rstrip("\n").split("\n")

    def _apply(self, part: str) -> None:
        line = self._lines[self._row]
        match part:
            case "K" | "J":
                self._lines[self._row] = line[: self._column]
                if part == "J":
                    del self._lines[self._row + 1 :]
            case "A":
                self._row -= 1
            case "\r":
                self.shown.append(line)
                self._column = 0
            case "\n":
                self._row += 1
                if self._row == len(self._lines):
                    self._lines.append("")
            case _:
                padded = line.ljust(self._column)
                self._lines[self._row] = padded[: self._column] + part + padded[self._column + len(part) :]
                self._column += len(part)


@contextlib.contextmanager
def terminal(columns: int = 200) -> Iterator[tuple[int, int]]:
    """Return the two ends of a pseudo-terminal: the person's, and the programs'."""
    person, programs = pty.openpty()
    fcntl.ioctl(programs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        yield person, programs
    finally:
        for end in (person, programs):
            with contextlib.suppress(OSError):
                os.close(end)


def run_pipeline(
    commands: Sequence[Sequence[str | Path]],
    environment: dict[str, str],
    output: IO[bytes] | None,
    columns: int = 200,
) -> bytes:
    """Run commands as a pipeline whose standard error is a terminal, and return the output that the terminal received.

    Args:
        commands: Programs with their arguments.
        environment: Variables of all programs.
        output: Standard output of the last one; None is the terminal.
        columns: Width of the terminal.
    """
    received = b""
    with terminal(columns) as (person, programs):
        processes: list[subprocess.Popen[bytes]] = []
        for place, command in enumerate(commands, 1):
            stdout = subprocess.PIPE if place < len(commands) else output or programs
            stdin = processes[-1].stdout if processes else subprocess.DEVNULL
            processes.append(subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=programs, env=environment))
        for process in processes:
            if process.stdout:
                process.stdout.close()
        os.close(programs)
        # Linux reports the end of a terminal as an error.
        with contextlib.suppress(OSError):
            while data := os.read(person, 1 << 16):
                received += data
    assert [process.wait() for process in processes] == [0] * len(processes), received
    return received
