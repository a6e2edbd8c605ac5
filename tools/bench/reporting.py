"""What reporting back costs: ``python -m tools.bench.reporting --updates 20000 --latency 0.1``, beside a hand-written loop.

Both send the same updates to the same local Pleo, in one run. A process of its own, for the peak memory of a child is
never less than its parent's: the local Pleo runs in another.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import requests

from tools.bench.process import KIB_PER_MIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

TARGET = Path(sys.executable).parent / "target-pleo-export"
BATCH = 100
UNHURRIED = 1_000_000
"""Requests per minute: the budget is not what is measured."""
EVERYTHING = "/"


def serve(updates: int, latency: float, pipe: Connection) -> None:
    """Serve a local Pleo; at each word but the empty one, start a new job and tell how many requests there were."""
    from sandbox import Sandbox  # noqa: PLC0415 - in its own process only
    from sandbox.faults import Fault  # noqa: PLC0415

    with Sandbox() as pleo:
        if latency:
            pleo.add_fault(Fault(path=EVERYTHING, nth=None, kind="delay", seconds=latency))
        template = pleo.add_job(items=1).items[0]
        while pipe.recv():
            count = {"PUT": 0, "GET": 0, "POST": 0}
            for request in pleo.requests:
                count[request.method] += 1
            pleo.requests.clear()
            entries = [f"00000000-0000-4000-8000-{number:012d}" for number in range(updates)]
            job = pleo.add_job(items=[template | {"accountingEntryId": entry} for entry in entries])
            pipe.send({"url": pleo.url, "key": pleo.api_key, "job": job.id, "entries": entries, "requests": count})


@contextlib.contextmanager
def serving(updates: int, latency: float) -> Iterator[Connection]:
    """Run the local Pleo while the block lasts."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(updates, latency, there), daemon=True)
    process.start()
    try:
        yield here
    finally:
        here.send("")
        process.join()


def next_job(pipe: Connection) -> dict[str, Any]:
    """Return a new job, and the requests since the last one."""
    pipe.send("next")
    job: dict[str, Any] = pipe.recv()
    return job


def hand_written(job: dict[str, Any]) -> float:
    """Send the updates as anybody would, believing each answer; return the seconds it took."""
    started = time.monotonic()
    with requests.Session() as session:
        session.auth = (job["key"], "")
        url = f"{job['url']}/v3/export-jobs/{job['job']}"
        session.get(url).raise_for_status()
        for start in range(0, len(job["entries"]), BATCH):
            batch = [
                {"accountingEntryId": entry, "status": "successful", "externalId": entry}
                for entry in job["entries"][start : start + BATCH]
            ]
            answer = session.put(f"{url}/items", json=batch)
            answer.raise_for_status()
            orjson.loads(answer.content)
    return time.monotonic() - started


def target(job: dict[str, Any], folder: Path) -> dict[str, float]:
    """Run the target; return its ``exit`` code, ``seconds`` and ``peak_mib`` of resident memory."""
    stream = "export_job_item_updates"
    messages: list[dict[str, Any]] = [{"type": "SCHEMA", "stream": stream, "schema": {}, "key_properties": []}]
    for entry in job["entries"]:
        record = {"jobId": job["job"], "accountingEntryId": entry, "status": "successful", "externalId": entry}
        messages.append({"type": "RECORD", "stream": stream, "record": record})
    data, config = folder / "input.jsonl", folder / "config.json"
    data.write_bytes(b"".join(orjson.dumps(message) + b"\n" for message in messages))
    settings = {"api_url": job["url"], "api_key": job["key"], "max_requests_per_minute": UNHURRIED}
    config.write_text(json.dumps(settings))
    started = time.monotonic()
    with data.open("rb") as source, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen([TARGET, "--config", config], stdin=source, stdout=subprocess.DEVNULL, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    return {
        "exit": process.returncode,
        "seconds": round(seconds, 1),
        "peak_mib": round(usage.ru_maxrss / KIB_PER_MIB, 1),
    }


def main() -> None:
    """Serve, measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.reporting", description=__doc__)
    parser.add_argument("--updates", type=int, default=20_000, help="updates, all of one job")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds from a request to its answer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(options.updates, options.latency) as pipe:
        loop = hand_written(next_job(pipe))
        measured = target(next_job(pipe), Path(folder))
        count = next_job(pipe)["requests"]
    print(json.dumps({**measured, "hand_written_seconds": round(loop, 1), "requests": count}))


if __name__ == "__main__":
    main()
