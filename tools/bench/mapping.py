"""Scenario: the mapper's hop against a hand-written one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tools.bench.contenders import BENCH, MARK
from tools.bench.environments import LeftOutError
from tools.bench.feeds import MAPPER, Feed, mapper_command
from tools.bench.process import RunFailedError, measure, serving
from tools.bench.results import Result
from tools.bench.rounds import Rounds, cpu, peak, wall

if TYPE_CHECKING:
    from tools.bench.process import Measure
    from tools.bench.rounds import Bench

ITEMS = 20_000
MICROSECONDS = 1e6


def mapper(bench: Bench) -> Result:
    """Measure the mapper fed from a file.

    Raises:
        LeftOutError: There is no mapper.
    """
    if not MAPPER.exists():
        raise LeftOutError(f"{MAPPER.name} is not installed here")
    folder = bench.folder()
    with serving(ITEMS) as server:
        file = Feed(bench, server, mapped=False).recorded()
    hops = {
        "hand-written hop (orjson)": [sys.executable, str(BENCH / "raw_hop.py")],
        MAPPER.name: mapper_command(folder),
    }
    rounds = Rounds({name: [] for name in hops})
    for _ in bench.turns(5):
        for name, command in hops.items():
            with file.open("rb") as messages:
                found = measure(command, env=bench.environment(folder), cwd=folder, mark=MARK, stdin=messages)
            if found.marks != 2 * ITEMS:
                raise RunFailedError(f"{name}: {found.marks} ids in its output instead of {2 * ITEMS}")
            rounds.measures[name].append(found)
    return Result(
        "Mapper",
        f"{ITEMS:,} export items and as many job items, as the tap writes them, from a file. The yardstick decodes "
        f"each message, adds one member and encodes it. {rounds.told}",
        ("", "CPU ratio", "CPU s", "wall s", "CPU µs per export item", "peak MiB"),
        rounds.rows(ratios=(cpu,), medians=(cpu, wall), whole=(_cpu_per_item, peak)),
    )


def _cpu_per_item(found: Measure) -> float:
    return MICROSECONDS * found.cpu / ITEMS
