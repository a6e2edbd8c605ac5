"""Measure programs in interleaved rounds: wall and CPU time, peak memory, number of records; tables of the results."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHECKOUT = Path(__file__).parents[2]
PIPE_BYTES = 1 << 20
KIB_PER_MIB = 1024
MAX_RUN_SECONDS = 300
BENCH = Path(__file__).parent
MARK = b'"accountingEntryId":"'
"""Occurs once in the line of an item, and once in that of a job item."""
# The caller's settings must not reach the measured programs.
FOREIGN = ("TAP_", "TARGET_", "MAP_", "SINGER_SDK_", "MELTANO_", "LOGLEVEL", "PYTHON")
COLUMNS = ("", "CPU ratio", "wall ratio", "CPU s", "wall s", "peak MiB")
UNLIMITED = 1_000_000
"""Requests per minute: the budget is not measured."""


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
        assert process.stdout is not None
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
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port, job_id = process.stdout.readline().split()
            yield Server(f"http://127.0.0.1:{port}", job_id)
        finally:
            process.stdin.close()


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program to measure."""

    name: str  # Its name in the tables
    command: tuple[str, ...]  # Program and arguments; it reads its settings from `config.json` in the working directory
    checkout: Path = CHECKOUT  # Where its package comes from
    config: Mapping[str, Any] = field(default_factory=dict)  # Its settings
    marks: int = 0  # How often `MARK` must occur in its output
    exit_code: int = 0  # Expected exit code

    def prepare(self, folder: Path) -> dict[str, str]:
        """Write the settings into a folder and return the environment."""
        (folder / "config.json").write_text(json.dumps(self.config))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return kept | {"HOME": str(folder), "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(self.checkout)}

    def run(self, stdin: Path = Path(os.devnull)) -> Measure:
        """Run and measure the program once."""
        with tempfile.TemporaryDirectory() as name, stdin.open("rb") as source:
            folder = Path(name)
            environment = self.prepare(folder)
            found = measure(
                self.command, env=environment, cwd=folder, mark=MARK, exit_code=self.exit_code, stdin=source
            )
        if found.marks != self.marks:
            raise RunFailedError(f"{self.name}: {found.marks} ids in the output instead of {self.marks}")
        return found


def executable(name: str, checkout: Path = CHECKOUT) -> tuple[str, ...]:
    """Return the command of one of the package's executables, run from a checkout with this environment's Python."""
    scripts = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    module, _, function = scripts[name].partition(":")
    return (sys.executable, "-c", f"import sys; from {module} import {function}; sys.exit({function}())")


def raw_loop(server: Server, items: int) -> Program:
    """Return the hand-written loop over export items."""
    command = (sys.executable, str(BENCH / "raw.py"), "tap", server.url, server.job_id)
    return Program(name="hand-written loop (requests + orjson)", command=command, marks=items)


def tap(server: Server, items: int, *, name: str = "tap-pleo-export", checkout: Path = CHECKOUT) -> Program:
    """Return the tap, reading all three streams."""
    config = {"api_url": server.url, "api_key": "key", "page_size": 100, "max_requests_per_minute": UNLIMITED}
    command = (*executable("tap-pleo-export", checkout), "--config", "config.json")
    return Program(name=name, command=command, checkout=checkout, config=config, marks=2 * items)


def mapper(items: int, *, name: str = "map-pleo-validation", checkout: Path = CHECKOUT) -> Program:
    """Return the validation mapper."""
    accounts = {"wallet": "1240", "outOfPocket": "2890", "contra": "1370", "accountsPayable": "2440"}
    config = {"configuration": [{"companyId": "*", "journal": "Pleo", "accounts": accounts}]}
    command = (*executable("map-pleo-validation", checkout), "--config", "config.json")
    return Program(name=name, command=command, checkout=checkout, config=config, marks=2 * items)


@dataclass
class Rounds:
    """Measures by program, one per round; the first program is the yardstick."""

    measures: dict[str, list[Measure]]

    def ratios(self, name: str, value: str) -> list[float]:
        """Return the ratio to the yardstick in each round, of `cpu` or `wall`."""
        yardstick = next(iter(self.measures.values()))
        pairs = zip(self.measures[name], yardstick, strict=True)
        return [getattr(own, value) / getattr(other, value) for own, other in pairs]

    def table(self) -> str:
        """Return a Markdown table of medians."""
        rows = [
            (
                name,
                *(f"{median(self.ratios(name, value)):.2f}" for value in ("cpu", "wall")),
                *(f"{median(getattr(each, value) for each in found):.2f}" for value in ("cpu", "wall")),
                f"{median(each.peak_mib for each in found):.0f}",
            )
            for name, found in self.measures.items()
        ]
        rule = ["---", *("---:" for _ in COLUMNS[1:])]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in (COLUMNS, rule, *rows))


def interleave(programs: Sequence[Program], rounds: int, stdin: Path = Path(os.devnull)) -> Rounds:
    """Measure programs in turns, so that a busy machine affects all of them alike."""
    measures: dict[str, list[Measure]] = {program.name: [] for program in programs}
    for _ in range(rounds):
        for program in programs:
            measures[program.name].append(program.run(stdin))
    return Rounds(measures)


@dataclass(frozen=True)
class Limit:
    """A number that must not exceed a limit; the median of `values` decides."""

    subject: str
    limit: float
    values: Sequence[float]
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the median is within the limit."""
        return median(self.values) <= self.limit

    def __str__(self) -> str:
        low, middle, high = min(self.values), median(self.values), max(self.values)
        spread = f" ({low:.3f} to {high:.3f})" if len(self.values) > 1 else ""
        verdict = "met   " if self.met else "MISSED"
        return f"{verdict} {self.subject}: {middle:.3f}{spread}{self.unit}, at most {self.limit}"


@dataclass(frozen=True)
class Result:
    """The outcome of a scenario."""

    about: str  # The conditions, in one or two sentences
    table: str  # A Markdown table
    limits: Sequence[Limit] = ()  # Upper limits of the numbers
