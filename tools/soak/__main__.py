"""``make soak``: random kills, signals and faults, world after world, until the time is up; nothing may be missing.

Each world is a separate sandbox. The pipeline runs, is disturbed, and runs again from the acknowledged state, several
times; then it finishes undisturbed, and everything that Pleo has must have arrived, to the last digit. In some worlds
the tap writes into PostgreSQL through mapper and target, in others into a file, including values that no target can
store. The seed repeats worlds and plans; the exact moments depend on the machine.
After each world, another one has its failing items reported back through tap, mapper and `target-pleo-export`, also
disturbed: each must be marked once, and no other.
At the end, entries of 2,000 worlds are walked through load, models, outbox and target: every item must settle.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from random import Random

from tools import postgres
from tools.bench.flat import MAX_MIB, measure_apart
from tools.soak.reporting import play_reporting
from tools.soak.scenario import SoakError, play
from tools.soak.verification import Figures
from tools.soak.walk import walk

SIZES = ((200_000, 1), (10_000, 2_000))
"""Export items and jobs at which memory and STATE are measured."""


def main() -> int:
    """Soak, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="start no world after this time (default 180)")
    parser.add_argument("--seed", type=int, default=None, help="repeat the worlds of an earlier soak")
    parser.add_argument("--walk", type=int, default=2000, help="worlds of the random walk, 0 for none (default 2000)")
    options = parser.parse_args()
    ends_at = time.monotonic() + options.seconds
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    flat = all([is_flat(items, jobs) for items, jobs in SIZES])  # noqa: C419 - measure each, even after a failure
    figures = Figures()
    folder = Path(tempfile.mkdtemp(prefix="pleo-soak-"))
    with postgres.running() as server:
        while figures.good and (time.monotonic() < ends_at or not figures.items):
            number = figures.worlds + 1
            line = play_world(f"{seed} {number}", folder / str(number), figures, server)
            print(f"world {number}: {line}", flush=True)
    if figures.good:
        shutil.rmtree(folder)
    else:
        print(f"settings, states and logs are in {folder}")
    if not flat:
        print("memory or STATE exceeds its limit")
    print(figures, flush=True)
    settled = not options.walk or walk(options.walk, seed)
    return 0 if figures.good and flat and settled else 1


def play_world(seed: str, folder: Path, figures: Figures, server: postgres.Postgres) -> str:
    """Play one world and its reporting, and return a line about both."""
    reporting = folder / "reporting"
    reporting.mkdir(parents=True)
    try:
        # Separate seeds: the draws of a running world depend on timing.
        line = play(Random(seed), folder, figures, server)
        line += "; " + play_reporting(Random(f"{seed} reporting"), reporting, figures)
    except SoakError as error:
        figures.missing += 1
        return str(error)
    if figures.good:
        shutil.rmtree(folder)
    return line


def is_flat(items: int, jobs: int) -> bool:
    """Measure the tap's memory and STATE at full size, and return whether both are within limits."""
    found = measure_apart(items, jobs)
    print(
        f"{items:,} items in {jobs:,} jobs: peak {found['peak_mib']} MiB, RECORD {found['record'] / 1e6:.1f} MB, "
        f"STATE {found['state'] / 1e6:.1f} MB, {found['seconds']} s",
        flush=True,
    )
    complete = found["exit"] == 0 and found["items"] == items
    return complete and found["peak_mib"] <= MAX_MIB and found["state"] < found["record"]


if __name__ == "__main__":
    raise SystemExit(main())
