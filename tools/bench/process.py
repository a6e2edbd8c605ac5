"""Measure processes: wall and CPU time, peak memory, and how many records they write."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHECKOUT = Path(__file__).parents[2]
PIPE_BYTES = 1 << 20
KIB_PER_MIB = 1024
MAX_RUN_SECONDS = 300


class RunFailedError(Exception):
    """A measured process failed; the message quotes its last line."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One run of one process."""

    wall: float  # Seconds from start to end
    cpu: float  # Seconds of processor time, user and system
    peak_mib: float  # Peak resident memory in MiB; at least that of the measuring process
    marks: int  # How often the mark occurs in the output


def measure(  # noqa: PLR0913 - what a process needs
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    mark: bytes,
    exit_code: int = 0,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
) -> Measure:
    """Run a command, read its output as fast as it comes, count the marks (at least two bytes) in it, and measure it.

    The log goes to the file `stderr` in the working directory.
    """
    log = cwd / "stderr"
    with log.open("wb") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command), stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=dict(env), cwd=cwd, bufsize=0
        )
        watchdog = threading.Timer(MAX_RUN_SECONDS, process.kill)
        watchdog.start()
        assert process.stdout is not None  # noqa: S101 - a pipe was requested
        try:
            with process.stdout as pipe:
                marks = _drain(pipe.fileno(), mark)
                _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            watchdog.cancel()
            process.kill()  # no effect on a process that has been waited for
    if process.returncode != exit_code:
        lines = log.read_text(errors="replace").strip().splitlines()
        raise RunFailedError(f"exit code {process.returncode}: {lines[-1] if lines else 'no message'}")
    return Measure(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / KIB_PER_MIB, marks)


def _drain(pipe: int, mark: bytes) -> int:
    """Read a pipe to its end and count marks."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    marks = 0
    tail, overlap = b"", len(mark) - 1
    while chunk := os.read(pipe, PIPE_BYTES):
        # A mark may span two chunks; the overlap is one byte too short to contain a whole one.
        marks += chunk.count(mark) + (tail + chunk[:overlap]).count(mark)
        tail = (tail + chunk)[-overlap:]
    return marks


@dataclass(frozen=True, slots=True)
class Server:
    """A running page server: its base URL and the id of its first export job."""

    url: str
    job_id: str


@contextlib.contextmanager
def serving(items: int, *, jobs: int = 1, latency: float = 0.0) -> Iterator[Server]:
    """Run the page server in a separate process for the duration of the block."""
    options = [f"--items={items}", f"--jobs={jobs}", f"--latency={latency}"]
    command = [sys.executable, "-m", "tools.bench.server", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdin is not None  # noqa: S101 - a pipe was requested
        assert process.stdout is not None  # noqa: S101 - a pipe was requested
        try:
            port, job_id = process.stdout.readline().split()
            yield Server(f"http://127.0.0.1:{port}", job_id)
        finally:
            process.stdin.close()
