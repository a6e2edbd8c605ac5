"""The command line of the benchmark: which scenarios, how many rounds, and where the results go."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console

from tools.bench import loading, mapping, startup, throughput
from tools.bench.environments import Environments, LeftOutError
from tools.bench.process import CHECKOUT, RunFailedError
from tools.bench.report import document, show
from tools.bench.rounds import Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tools.bench.results import Result

BUDGET_SECONDS = 230
"""After this no second round is begun."""
LIMIT_SECONDS = 250
"""After this nothing is begun."""
PAGE = CHECKOUT / "docs" / "benchmarks.md"
SCENARIOS: Mapping[str, Callable[[Bench], Result]] = {
    "cpu": throughput.cpu_time,
    "latency": throughput.latency,
    "memory": throughput.memory,
    "startup": startup.startup,
    "mapper": mapping.mapper,
    "peers": throughput.peers,
    # Last: they import a database driver, and our own memory is the floor of what is measured.
    "pipeline": loading.pipeline,
    "loader": loading.loader_settings,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 1 if a scenario could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--rounds", type=int, help="measure each contender so often")
    parser.add_argument(
        "--write", action="store_true", help="write docs/benchmarks.md also after a part of the scenarios"
    )
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    environments = Environments(CHECKOUT / ".bench", console.print)
    for name in ("dlt", "rest_api_msdk", "airbyte", "target_postgres") if not options.only else ():
        # Before the clock runs: installing takes minutes, once.
        try:
            environments.programs(name)
        except LeftOutError as error:
            console.print(f"{name}: {error}")
    started = time.monotonic()
    bench = Bench(environments, console.print, started + BUDGET_SECONDS, started + LIMIT_SECONDS, options.rounds)
    results: list[Result] = []
    left_out: list[str] = []
    failures = 0
    try:
        for name in options.only or SCENARIOS:
            try:
                if time.monotonic() > bench.last_start:
                    raise LeftOutError("the time is up")  # noqa: TRY301 - left out alike
                results.append(SCENARIOS[name](bench))
            except (LeftOutError, RunFailedError) as error:
                left_out.append(f"{name}: not measured, {error}")
                console.print(left_out[-1])
                failures += isinstance(error, RunFailedError)
            else:
                show(results[-1], console)
    finally:
        bench.close()
    console.print(f"Measured in {time.monotonic() - started:.0f} s")
    if (not options.only or options.write) and not failures:
        command = "make bench" if not options.only else f"python -m bench {' '.join(arguments or sys.argv[1:])}"
        PAGE.write_text(document(results, left_out, environments, command))
        console.print(f"Written to {PAGE.relative_to(CHECKOUT)}")
    return 1 if failures else 0
