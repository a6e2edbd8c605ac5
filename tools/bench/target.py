"""Writing updates back: the target against a hand-written loop, both against a local Pleo in a separate process."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.bench.process import CHECKOUT
from tools.bench.rounds import BENCH, UNLIMITED, Limit, Program, Result, Rounds, executable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from tools.bench.scenarios import Options

UPDATES = 10_000
LATENCY_SECONDS = 0.1
MAX_RATIO = 1.2
STREAM = "export_job_item_updates"


def write_back(options: Options) -> Result:
    """Measure 10,000 updates of one job."""
    first, second = (options.other if options.against else "hand-written loop"), "target-pleo-export"
    rounds = Rounds({first: [], second: []})
    with tempfile.TemporaryDirectory() as folder, _serving() as pipe:
        updates = Path(folder) / "updates.jsonl"
        for _ in range(options.rounds or 3):
            for name in rounds.measures:
                pipe.send("next job")
                job = pipe.recv()
                _write(updates, job["id"], job["entries"])
                rounds.measures[name].append(_program(name, job, options).run(updates))
    about = f"{UPDATES:,} updates of one job, {1000 * LATENCY_SECONDS:.0f} ms a request, 100 updates each."
    limit = Limit(f"wall of {second} relative to {first}", MAX_RATIO, rounds.ratios(second, "wall"))
    return Result(about, rounds.table(), [limit])


def _program(name: str, job: dict[str, Any], options: Options) -> Program:
    if name == "hand-written loop":
        return Program(name=name, command=(sys.executable, str(BENCH / "raw.py"), "target", job["url"], job["key"]))
    checkout = options.against if options.against and name == options.other else CHECKOUT
    return Program(
        name=name,
        command=(*executable("target-pleo-export", checkout), "--config", "config.json"),
        config={"api_url": job["url"], "api_key": job["key"], "max_requests_per_minute": UNLIMITED},
        checkout=checkout,
    )


def _write(path: Path, job_id: str, entries: list[str]) -> None:
    messages: list[dict[str, Any]] = [{"type": "SCHEMA", "stream": STREAM, "schema": {}, "key_properties": []}]
    for entry in entries:
        record = {"jobId": job_id, "accountingEntryId": entry, "status": "successful", "externalId": entry}
        messages.append({"type": "RECORD", "stream": STREAM, "record": record})
    path.write_text("".join(f"{json.dumps(message)}\n" for message in messages))


@contextlib.contextmanager
def _serving() -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here
    finally:
        here.send("")
        process.join()


def _serve(pipe: Connection) -> None:
    """Serve a local Pleo; each message except the empty one adds a job and returns it."""
    from sandbox import Fault, Sandbox  # noqa: PLC0415 - only in the serving process: its memory is not measured

    with Sandbox() as pleo:
        pleo.add_fault(Fault(path="/", nth=None, kind="delay", seconds=LATENCY_SECONDS))
        template = pleo.add_job(items=1).items[0]
        while pipe.recv():
            entries = [f"00000000-0000-4000-8000-{number:012d}" for number in range(UPDATES)]
            job = pleo.add_job(items=[template | {"accountingEntryId": entry} for entry in entries])
            pipe.send({"url": pleo.url, "key": pleo.api_key, "id": job.id, "entries": entries})
