"""A run of the benchmark: its working directory, its time limit, and interleaved rounds."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tools.bench.contenders import BENCH, MARK
from tools.bench.environments import Environments, LeftOutError
from tools.bench.ids import JOBS, uuids
from tools.bench.process import Measure, RunFailedError, Server, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tools.bench.contenders import Contender

    Value = Callable[[Measure], float]

JOB_ID = uuids(JOBS, 1)[0].decode()
# Settings of the caller's own must not reach what is measured, and nothing is to be reported to anybody.
FOREIGN = ("TAP_", "TARGET_", "MAP_", "SINGER_SDK_", "MELTANO_", "LOGLEVEL", "DLT_", "RUNTIME__", "PYTHON")
QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "DO_NOT_TRACK": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@dataclass(slots=True)
class Bench:
    """One run.

    Attributes:
        environments: Where the peers are installed.
        say: Tells the person at the terminal.
        ends_at: When no further round is begun, by the monotonic clock; the first is in any case.
        last_start: When no further contender is begun, not even for the first time.
        rounds: How often each contender is measured, in place of the scenario's own number.
    """

    environments: Environments
    say: Callable[[str], None]
    ends_at: float
    last_start: float = float("inf")
    rounds: int | None = None
    _home: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment of a measured process, with a home directory of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return kept | QUIET | {"HOME": str(home)}

    def folder(self) -> Path:
        """Return a new working directory, removed at the end of the run."""
        return Path(tempfile.mkdtemp(dir=self._home.name))

    def close(self) -> None:
        """Remove the working directories."""
        self._home.cleanup()

    def turns(self, default: int) -> Iterator[int]:
        """Yield the rounds to measure, until the run has taken its time; the first in any case."""
        for turn in range(self.rounds or default):
            if turn and time.monotonic() > self.ends_at:
                self.say(f"The time is up: {turn} round(s) instead of more")
                return
            yield turn

    def run(self, contender: Contender, server: Server, items: int) -> Measure:
        """Measure a contender once.

        Raises:
            LeftOutError: It is not installed and cannot be.
            RunFailedError: It failed, or lost items.
        """
        folder = self.folder()
        values = {
            "programs": str(self.environments.programs(contender.environment)),
            "bench": str(BENCH),
            "url": server.url,
            "job_id": JOB_ID,
        }
        command = contender.prepare(folder, values)
        found = measure(command, env=self.environment(folder), cwd=folder, mark=MARK)
        expected = items * contender.marks_per_item
        if found.marks != expected:
            raise RunFailedError(f"{contender.name}: {found.marks} ids in its output instead of {expected}")
        return found

    def interleave(self, contenders: Sequence[Contender], server: Server, items: int, rounds: int) -> Rounds:
        """Measure contenders in turns, round by round; what fails or does not install is left out, and said."""
        outcome = Rounds({contender.name: [] for contender in contenders})
        for turn in self.turns(rounds):
            for contender in contenders:
                if contender.name not in outcome.measures:
                    continue
                try:
                    if turn == 0 and time.monotonic() > self.last_start:
                        raise LeftOutError(f"{contender.name}, the time is up")  # noqa: TRY301 - left out alike
                    outcome.measures[contender.name].append(self.run(contender, server, items))
                except (LeftOutError, RunFailedError) as error:
                    if contender is contenders[0] or contender.environment is None:
                        raise
                    del outcome.measures[contender.name]
                    outcome.skipped.append(f"Skipped: {error}")
                    self.say(outcome.skipped[-1])
        return outcome


@dataclass(slots=True)
class Rounds:
    """Measures by contender, one per round; the first contender is the yardstick."""

    measures: dict[str, list[Measure]]
    skipped: list[str] = field(default_factory=list)

    @property
    def told(self) -> str:
        """How many rounds there were, as a sentence."""
        count = max(map(len, self.measures.values()))
        return "One round." if count == 1 else f"Medians of {count} interleaved rounds."

    def median(self, name: str, value: Value) -> float:
        """Return the median of a value."""
        return median(map(value, self.measures[name]))

    def ratio(self, name: str, value: Value) -> float:
        """Return the median of a value's ratios to the yardstick in the same round."""
        return median(self.ratios(name, value))

    def ratios(self, name: str, value: Value) -> list[float]:
        """Return a value's ratio to the yardstick in each round."""
        yardstick = next(iter(self.measures.values()))
        return [value(own) / value(other) for own, other in zip(self.measures[name], yardstick, strict=False)]

    def rows(
        self, *, ratios: Sequence[Value], medians: Sequence[Value], whole: Sequence[Value] = ()
    ) -> list[tuple[str, ...]]:
        """Return a table's rows: names, ratios to the yardstick, medians, and medians shown as whole numbers."""
        return [
            (
                name,
                *(f"{self.ratio(name, value):.2f}" for value in ratios),
                *(f"{self.median(name, value):.2f}" for value in medians),
                *(f"{self.median(name, value):.0f}" for value in whole),
            )
            for name in self.measures
        ]


def cpu(found: Measure) -> float:
    """Return processor seconds."""
    return found.cpu


def wall(found: Measure) -> float:
    """Return seconds from start to end."""
    return found.wall


def peak(found: Measure) -> float:
    """Return peak memory in MiB."""
    return found.peak_mib
