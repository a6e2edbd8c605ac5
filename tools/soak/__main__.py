"""Runs a soak: ``python -m tools.soak``."""

from __future__ import annotations

import argparse
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from random import Random

import tools.soak
from tools import postgres
from tools.soak.figures import Figures
from tools.soak.flatness import measure_flatness
from tools.soak.play import SoakError
from tools.soak.reporting import play_reporting
from tools.soak.session import play


def main() -> int:
    """Soak, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=tools.soak.__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="no world is begun later (default 180)")
    parser.add_argument("--seed", type=int, default=None, help="repeat the worlds of an earlier soak")
    options = parser.parse_args()
    ends_at = time.monotonic() + options.seconds
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    within = measure_flatness()
    figures = Figures()
    folder = Path(tempfile.mkdtemp(prefix="pleo-soak-"))
    with postgres.running() as server:
        while figures.good and (time.monotonic() < ends_at or not figures.items):
            number = figures.worlds + 1
            here = folder / str(number)
            here.mkdir()
            try:
                # Of its own seed: what a world draws while it is played depends on the moments of the one before.
                told = play(Random(f"{seed} {number}"), here, figures, server)
                reporting = here / "reporting"
                reporting.mkdir()
                told += "; " + play_reporting(Random(f"{seed} {number} reporting"), reporting, figures)
            except SoakError as error:
                told = str(error)
                figures.missing += 1
            print(f"world {number}: {told}", flush=True)
            if figures.good:
                shutil.rmtree(here)
    if figures.good:
        shutil.rmtree(folder)
    else:
        print(f"settings, states and logs are in {folder}")
    if not within:
        print("memory or STATE is out of bounds")
    print(figures)
    return 0 if figures.good and within else 1


if __name__ == "__main__":
    raise SystemExit(main())
