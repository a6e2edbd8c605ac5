"""Measure the tap's peak memory and how much STATE it writes: ``python -m tools.bench.flat ITEMS JOBS``.

A separate process, because the peak memory of a child is never less than its parent's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.bench.rounds import CHECKOUT, KIB_PER_MIB, serving, tap

MAX_MIB = 80


def measure(items: int, jobs: int) -> dict[str, float]:
    """Run the tap once; ``record`` and ``state`` are the bytes of these messages, ``items`` counts export items."""
    counted = {"items": 0, "record": 0, "state": 0}
    with serving(items, jobs=jobs) as server, tempfile.TemporaryDirectory() as folder:
        program = tap(server, items)
        environment = program.prepare(Path(folder))
        started = time.monotonic()
        with subprocess.Popen(
            program.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=folder
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(b'{"type":"RECORD"'):
                    counted["record"] += len(line)
                    counted["items"] += line.startswith(b'{"type":"RECORD","stream":"export_items"')
                elif line.startswith(b'{"type":"STATE"'):
                    counted["state"] += len(line)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    seconds, peak = time.monotonic() - started, usage.ru_maxrss / KIB_PER_MIB
    return {"exit": process.returncode, "seconds": round(seconds, 1), "peak_mib": round(peak, 1), **counted}


def measure_apart(items: int, jobs: int = 1) -> dict[str, float]:
    """Measure in a separate process."""
    command = [sys.executable, "-m", "tools.bench.flat", str(items), str(jobs)]
    found: dict[str, float] = json.loads(subprocess.check_output(command, cwd=CHECKOUT))
    return found


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
