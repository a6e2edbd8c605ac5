"""Speed and memory of `map-pleo-attachments`: ``python -m tools.bench.attachments``.

200 files of 1 MB behind 100 ms, beside four ``curl`` in parallel into a folder, interleaved; and the peak memory at 20
files of 30 MB. Both are whole processes, their start included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.helpers.attachments import items_schema
from tests.helpers.mapper import item, record, state
from tools.bench.process import CHECKOUT, Measure, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

MAPPER = Path(sys.executable).parent / "map-pleo-attachments"
FILES, BYTES, LATENCY = 200, 1_000_000, 0.1
LARGE_FILES, LARGE_BYTES = 20, 30_000_000
MOST_TIMES_CURL = 1.3
MOST_MIB = 100.0
TOGETHER = 4


@contextlib.contextmanager
def serving(latency: float) -> Iterator[str]:
    """Run the server of files while the block lasts; gives its address."""
    command = [sys.executable, "-m", "tools.bench.file_server", f"--latency={latency}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def mapped(url: str, files: int, size: int, folder: Path) -> Measure:
    """Run the mapper on items with a file each, into an empty folder."""
    destination = folder / "receipts"
    config, source = folder / "config.json", folder / "items"
    config.write_text(
        json.dumps(
            {
                "destination": str(destination),
                "allow_hosts": ["127.0.0.1"],
                "max_concurrent_downloads": TOGETHER,
            }
        )
    )
    entries = [{"url": f"{url}/{number}/{size}", "type": "application/pdf", "size": size} for number in range(files)]
    lines = [record(item(number, files=[entry])) for number, entry in enumerate(entries)]
    source.write_bytes(items_schema() + b"".join(lines) + state(1))
    with source.open("rb") as stdin:
        done = measure(
            [str(MAPPER), "--config", str(config)],
            env=os.environ,
            cwd=folder,
            mark=b'"storedPath":',
            stdin=stdin,
        )
    kept = [path.stat().st_size for path in destination.rglob("*.pdf")]
    if done.marks != files + 1 or kept != [size] * files:
        raise SystemExit(f"{len(kept)} of {files} files were stored; the messages are in {folder / 'stderr'}")
    shutil.rmtree(destination)
    return done


def curled(url: str, files: int, size: int, folder: Path) -> Measure:
    """Fetch the same with curl."""
    destination, source = folder / "curled", folder / "curl.config"
    source.write_text("".join(f'url = "{url}/{n}/{size}"\noutput = "{destination}/{n}.pdf"\n' for n in range(files)))
    command = ["curl", "-sS", "--create-dirs", "--parallel", "--parallel-max", str(TOGETHER), "--config"]
    done = measure([*command, str(source)], env=os.environ, cwd=folder, mark=b"no output")
    shutil.rmtree(destination)
    return done


def throughput(rounds: int) -> bool:
    """Measure and report; return whether the bar is met."""
    pairs, starts = [], []
    with tempfile.TemporaryDirectory() as folder, serving(LATENCY) as url:
        for _ in range(rounds):
            curl = curled(url, FILES, BYTES, Path(folder))
            pairs.append((curl, mapped(url, FILES, BYTES, Path(folder))))
            starts.append(mapped(url, 0, BYTES, Path(folder)).wall)
    curl_took, took = (median(pair[side].wall for pair in pairs) for side in (0, 1))
    cpu = median(pair[1].cpu for pair in pairs)
    ratio = median(pair[1].wall / pair[0].wall for pair in pairs)
    print(f"{FILES} files of {BYTES:,} bytes at {LATENCY * 1000:.0f} ms, {TOGETHER} at once, medians of {rounds}:")
    print(f"  curl {curl_took:.1f} s, map-pleo-attachments {took:.1f} s ({cpu:.1f} CPU s)")
    print(f"  {ratio:.2f} of curl's time (bar {MOST_TIMES_CURL}); {median(starts):.1f} s of ours is the start")
    return ratio <= MOST_TIMES_CURL


def memory() -> bool:
    """Measure and report; return whether the bar is met."""
    with tempfile.TemporaryDirectory() as folder, serving(0.0) as url:
        done = mapped(url, LARGE_FILES, LARGE_BYTES, Path(folder))
    print(f"{LARGE_FILES} files of {LARGE_BYTES:,} bytes: {done.wall:.1f} s, {done.cpu:.1f} CPU s")
    print(f"  {done.peak_mib:.0f} MiB at most (bar {MOST_MIB:.0f})")
    return done.peak_mib <= MOST_MIB


def main() -> None:
    """Measure what is asked for, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.attachments", description=__doc__)
    parser.add_argument("--only", choices=["throughput", "memory"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    met = [
        options.only == "memory" or throughput(options.rounds),
        options.only == "throughput" or memory(),
    ]
    raise SystemExit(not all(met))


if __name__ == "__main__":
    main()
