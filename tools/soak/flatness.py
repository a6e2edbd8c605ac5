"""Memory and STATE at full size."""

from __future__ import annotations

import json
import subprocess
import sys

from tools.bench import flat
from tools.meltano import CHECKOUT

FLAT = ((200_000, 1), (10_000, 2_000))


def measure_flatness() -> bool:
    """Measure memory and STATE at full size, and return whether they are within bounds."""
    within = True
    for items, jobs in FLAT:
        command = [sys.executable, "-m", "tools.bench.flat", f"--items={items}", f"--jobs={jobs}"]
        took = json.loads(subprocess.run(command, stdout=subprocess.PIPE, cwd=CHECKOUT, check=True).stdout)
        megabytes = {name: took[name] / 1e6 for name in ("record", "state")}
        print(
            f"{items:,} items in {jobs:,} jobs: peak {took['peak_mib']} MiB, RECORD {megabytes['record']:.1f} MB, "
            f"STATE {megabytes['state']:.1f} MB, {took['seconds']} s",
            flush=True,
        )
        whole = took["exit"] == 0 and took["items"] == items
        within &= whole and took["peak_mib"] <= flat.MOST_MIB and took["state"] < took["record"]
    return within
