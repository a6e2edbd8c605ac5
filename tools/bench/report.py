"""Results as tables at the terminal and as the page ``docs/benchmarks.md``."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from tools.bench.environments import Environments
    from tools.bench.results import Promise, Result

PACKAGES = ("tap-pleo-export", "singer-sdk", "msgspec", "requests", "orjson")
PREFACE = """\
# Benchmarks

Written by `{command}` on {date}. Machine: {machine}. Python {python}; {versions}.

Seconds belong to this machine and moment; the ratios are what counts. A ratio is that of a contender to the first row,
both measured in the same round, median over the rounds: 1.00 is as fast as the yardstick, smaller is faster.

* The yardstick is [`bench/raw_loop.py`](../bench/raw_loop.py): `requests`, `orjson`, one page after the other, a line
  for each item and nothing else. No retries, no state, no check that all items came, no request budget; decimals pass
  through binary floating point.
* The tap is the real executable with all of it. Only `max_requests_per_minute` is raised, so that the budget is not
  what is measured: with the default of 500, a job of more than some 49,000 items in pages of 100 waits for it.
* The server ([`bench/server.py`](../bench/server.py)) is local and sends uncompressed pages, put together from bytes
  that are rendered beforehand. Items are the sandbox's, about 2.6 KB each. Output goes into a pipe read at once.
* CPU is user and system time of the process measured, startup included. Peak memory is what the kernel reports.
"""
VERDICTS = """\
Medians, with the range of the rounds; the median decides."""


def show(result: Result, console: Console) -> None:
    """Print a result as a table."""
    table = Table(title=result.title, title_justify="left", caption=result.about, caption_justify="left")
    for number, column in enumerate(result.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in result.rows:
        table.add_row(*row)
    console.print(table)
    for line in (*result.notes, *map(_promise_line, result.promises)):
        console.print(line)
    console.print()


def document(results: Sequence[Result], left_out: Sequence[str], environments: Environments, command: str) -> str:
    """Return the page."""
    versions = ", ".join(f"{package} {environments.version(None, package)}" for package in PACKAGES)
    parts = [
        PREFACE.format(
            command=command,
            date=datetime.now(UTC).date().isoformat(),
            machine=machine(),
            python=platform.python_version(),
            versions=versions,
        )
    ]
    promises = [promise for result in results for promise in result.promises]
    if promises:
        rows = [
            (promise.what, f"≤ {promise.shown(promise.limit)}", promise.measured, promise.verdict)
            for promise in promises
        ]
        parts += ["## What is promised", VERDICTS, _markdown(("", "promised", "measured", ""), rows)]
    for result in results:
        parts += [f"## {result.title}", result.about, _markdown(result.columns, result.rows), *result.notes]
    if left_out:
        parts += ["## Left out", "\n".join(f"* {line}" for line in left_out)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def machine() -> str:
    """Return processor, cores and system."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in _lines(info) if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {platform.system()}"


def _lines(path: Path) -> Iterable[str]:
    return path.read_text().splitlines() if path.exists() else ()


def _promise_line(promise: Promise) -> str:
    return f"{promise.what}: {promise.measured}, promised ≤ {promise.shown(promise.limit)}: {promise.verdict}"


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))
