"""How much memory the tap takes, and how much STATE it writes: ``python -m tools.bench.flat --items 200000 --jobs 1``.

A process of its own, for the peak memory of a child is never less than its parent's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.bench.process import KIB_PER_MIB, serving

TAP = Path(sys.executable).parent / "tap-pleo-export"
MOST_MIB = 80
UNHURRIED = 1_000_000
"""Requests per minute: the budget is not what is measured."""


def measure(url: str, folder: Path) -> dict[str, float]:
    """Run the tap and return what it took.

    Args:
        url: Address of the server.
        folder: Where its settings are written.

    Returns:
        ``exit`` code, ``seconds``, ``peak_mib`` of resident memory, ``items`` of `export_items`, and the bytes of
        ``record`` and ``state`` messages.
    """
    config = folder / "config.json"
    settings = {"api_url": url, "api_key": "any", "max_requests_per_minute": UNHURRIED}
    config.write_text(json.dumps(settings))
    counted = {"items": 0, "record": 0, "state": 0}
    started = time.monotonic()
    with subprocess.Popen([TAP, "--config", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
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


def main() -> None:
    """Serve, measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.flat", description=__doc__)
    parser.add_argument("--items", type=int, default=200_000, help="export items in total")
    parser.add_argument("--jobs", type=int, default=1, help="export jobs they are spread over")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(options.items, jobs=options.jobs) as server:
        print(json.dumps(measure(server.url, Path(folder))))


if __name__ == "__main__":
    main()
