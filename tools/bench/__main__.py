"""``python -m tools.bench [--only NAME ...] [--rounds N] [--against DIR]`` prints Markdown tables."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bench import scenarios
from tools.bench.rounds import RunFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tools.bench.rounds import Result

SCENARIOS: Mapping[str, Callable[[scenarios.Options], Result]] = {
    "cpu": scenarios.cpu_time,
    "latency": scenarios.latency,
    "memory": scenarios.memory,
    "startup": scenarios.startup,
    "mapper": scenarios.map_items,
    "target": scenarios.write_back,
    "pipeline": scenarios.pipeline,
}
COMPARABLE = ("cpu", "latency", "startup", "mapper", "target")


def main() -> int:
    """Measure, print the results, and return 1 if a limit is missed or a program fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, help="scenarios to measure; default: all")
    parser.add_argument("--rounds", type=int, help="measure each program this often")
    parser.add_argument("--against", type=Path, help="another checkout, compared with this one in interleaved rounds")
    arguments = parser.parse_args()
    options = scenarios.Options(arguments.rounds, arguments.against and arguments.against.resolve())
    failed = False
    for name in arguments.only or (COMPARABLE if options.against else SCENARIOS):
        try:
            result = SCENARIOS[name](options)
        except RunFailedError as error:
            print(f"## {name}\n\nnot measured: {error}\n", flush=True)
            failed = True
            continue
        print(f"## {name}\n\n{result.about}\n\n{result.table}\n", *result.limits, "", sep="\n", flush=True)
        failed |= not all(limit.met for limit in result.limits)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
