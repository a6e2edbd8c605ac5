"""Processes measured: wall and CPU time, peak memory, and how many records came out."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHECKOUT = Path(__file__).parents[2]
PIPE_BYTES = 1 << 20
KIB_PER_MIB = 1024
LONGEST_RUN_SECONDS = 300


class RunFailedError(Exception):
    """A measured process failed; the message is its last words."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One run of one process.

    Attributes:
        wall: Seconds from start to end.
        cpu: Seconds of processor time, user and system.
        peak_mib: Peak resident memory in MiB; not less than the measuring process's own.
        marks: How often the text looked for occurs in its output.
    """

    wall: float
    cpu: float
    peak_mib: float
    marks: int


def measure(  # noqa: PLR0913 - what a process needs
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    mark: bytes,
    exit_code: int = 0,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
) -> Measure:
    """Run a command, reading its output as fast as it comes, and measure it.

    Args:
        command: Program and arguments.
        env: Its environment.
        cwd: Its working directory; its messages are kept there in `stderr`.
        mark: Text of two bytes or more to count in its standard output.
        exit_code: The one that it is to end with.
        stdin: What it reads.

    Raises:
        RunFailedError: It ended with another exit code, or not in time.
    """
    messages = cwd / "stderr"
    with messages.open("wb") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command), stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=dict(env), cwd=cwd, bufsize=0
        )
        watchdog = threading.Timer(LONGEST_RUN_SECONDS, process.kill)
        watchdog.start()
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            with process.stdout as pipe:
                marks = _drain(pipe.fileno(), mark)
                _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            watchdog.cancel()
            process.kill()  # does nothing to a process that has been waited for
    if process.returncode != exit_code:
        words = messages.read_text(errors="replace").strip().splitlines()
        raise RunFailedError(f"exit code {process.returncode}: {words[-1] if words else 'no message'}")
    return Measure(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / KIB_PER_MIB, marks)


def _drain(pipe: int, mark: bytes) -> int:
    """Read a pipe to its end and count marks."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    marks = 0
    tail, overlap = b"", len(mark) - 1
    while chunk := os.read(pipe, PIPE_BYTES):
        # A mark may lie across two chunks; what overlaps is one byte too short to hold a whole one.
        marks += chunk.count(mark) + (tail + chunk[:overlap]).count(mark)
        tail = (tail + chunk)[-overlap:]
    return marks


@dataclass(frozen=True, slots=True)
class Server:
    """The running server of pages."""

    url: str

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used."""
        with urlopen(f"{self.url}/stats") as response:  # noqa: S310 - our own server
            done: dict[str, Any] = json.load(response)
            return float(done["cpu_seconds"])


@contextlib.contextmanager
def serving(items: int, *, jobs: int = 1, latency: float = 0.0) -> Iterator[Server]:
    """Run the server of pages in a process of its own while the block lasts."""
    options = [f"--items={items}", f"--jobs={jobs}", f"--latency={latency}"]
    command = [sys.executable, "-m", "tools.bench.server", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.stdin.close()
