"""The scenarios: each function is one, selected by ``python -m tools.bench --only NAME``."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tools.bench.flat import MAX_MIB, measure_apart
from tools.bench.rounds import (
    BENCH,
    CHECKOUT,
    MAX_RUN_SECONDS,
    UNLIMITED,
    Limit,
    Program,
    Result,
    Rounds,
    RunFailedError,
    executable,
    interleave,
    mapper,
    measure,
    raw_loop,
    serving,
    tap,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from tools.bench.rounds import Measure, Server
    from tools.postgres import Postgres

ITEMS = 30_000
LATENCY_ITEMS = 10_000
LATENCY_SECONDS = 0.1
MAPPER_ITEMS = 20_000
PIPELINE_ITEMS = 15_000
MEMORY_ITEMS = (50_000, 500_000)
TARGET = CHECKOUT / ".meltano/loaders/target-postgres/venv/bin/target-postgres"
AGAINST_LIMIT = 1.02
UPDATES = 10_000
STREAM = "export_job_item_updates"


@dataclass(frozen=True)
class Options:
    """How to measure."""

    rounds: int | None = None  # How often to measure each program; None for the scenario's default
    against: Path | None = None  # Another checkout to compare with, in place of the hand-written programs

    def result(self, about: str, found: Rounds, value: str, limit: float) -> Result:
        """Return a result that checks the last program's ratio to the first, of `cpu` or `wall`."""
        first, *_, last = found.measures
        limit = AGAINST_LIMIT if self.against else limit
        return Result(
            about, found.table(), [Limit(f"{value} of {last} relative to {first}", limit, found.ratios(last, value))]
        )

    def taps(self, server: Server, items: int) -> list[Program]:
        """Return the yardstick and the tap."""
        ours = tap(server, items)
        if self.against:
            return [tap(server, items, name=self.other, checkout=self.against), ours]
        return [raw_loop(server, items), ours]

    @property
    def other(self) -> str:
        """Name of the other checkout's programs in the tables."""
        return f"the same of {self.against}"


def cpu_time(options: Options) -> Result:
    """Measure the tap's processor time where the network costs nothing."""
    with serving(ITEMS) as server:
        found = interleave(options.taps(server, ITEMS), options.rounds or 5)
    about = f"{ITEMS:,} export items, no latency; the tap also reads as many job items: {2 * ITEMS:,} records."
    return options.result(about, found, "cpu", 1.0)


def latency(options: Options) -> Result:
    """Measure the tap's wall time where each request takes 100 ms."""
    with serving(LATENCY_ITEMS, latency=LATENCY_SECONDS) as server:
        found = interleave(options.taps(server, LATENCY_ITEMS), options.rounds or 3)
    about = (
        f"{LATENCY_ITEMS:,} export items in pages of 100, {1000 * LATENCY_SECONDS:.0f} ms a request. "
        "The loop sends one request at a time, the tap up to four."
    )
    return options.result(about, found, "wall", 0.35)


def memory(_: Options) -> Result:
    """Measure the tap's peak memory at two sizes of a job."""
    rows, limits = [], []
    for items in MEMORY_ITEMS:
        found = measure_apart(items)
        rows.append(f"| {items:,} | {found['peak_mib']:.0f} | {found['state'] / 1e6:.1f} |")
        limits.append(Limit(f"peak memory at {items:,} items", MAX_MIB, [found["peak_mib"]], " MiB"))
    table = "\n".join(["| export items | peak MiB | MB of STATE |", "| --- | ---: | ---: |", *rows])
    return Result("The tap reading one export job, all three streams.", table, limits)


def startup(options: Options) -> Result:
    """Measure commands that send no request."""

    def command(name: str, *arguments: str, checkout: Path = CHECKOUT, exit_code: int = 0) -> Program:
        full = (*executable("tap-pleo-export", checkout), *arguments)
        return Program(name=name, command=full, checkout=checkout, exit_code=exit_code)

    discover = command("tap-pleo-export --discover", "--discover")
    if options.against:
        programs = [command(options.other, "--discover", checkout=options.against), discover]
    else:
        reference = Program(name="import singer_sdk", command=(sys.executable, "-c", "import singer_sdk"))
        refused = command("tap-pleo-export, settings rejected", "--config", "config.json", exit_code=1)
        programs = [reference, refused, command("tap-pleo-export --version", "--version"), discover]
    found = interleave(programs, options.rounds or 9)
    return options.result("Commands that send no request.", found, "wall", 1.3)


def map_items(options: Options) -> Result:
    """Measure the validation mapper, fed from a file."""
    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder) / "messages.jsonl"
        with serving(MAPPER_ITEMS) as server:
            record([tap(server, MAPPER_ITEMS)], recorded)
        if options.against:
            first = mapper(MAPPER_ITEMS, name=options.other, checkout=options.against)
        else:
            hop = (sys.executable, str(BENCH / "raw.py"), "mapper")
            first = Program(name="hand-written mapper (orjson)", command=hop, marks=2 * MAPPER_ITEMS)
        found = interleave([first, mapper(MAPPER_ITEMS)], options.rounds or 5, recorded)
    about = (
        f"{MAPPER_ITEMS:,} export items and as many job items from a file. "
        "The hand-written mapper decodes each message, adds one member and encodes it."
    )
    return options.result(about, found, "cpu", 3.0)


def pipeline(options: Options) -> Result:
    """Measure the loader fed by tap and mapper, against the loader fed from a file."""
    from tools import postgres  # noqa: PLC0415 - heavy, and our memory counts as the floor of what is measured

    alone, together = "target-postgres from a file", "tap, mapper, target-postgres"
    rounds = Rounds({alone: [], together: []})
    with tempfile.TemporaryDirectory() as folder, postgres.running() as database, serving(PIPELINE_ITEMS) as server:
        programs = [tap(server, PIPELINE_ITEMS), mapper(PIPELINE_ITEMS)]
        recorded = Path(folder) / "messages.jsonl"
        record(programs, recorded)
        for turn in range(options.rounds or 3):
            # The order alternates, so that a machine that slows down favours neither.
            for name in (alone, together)[:: -1 if turn % 2 else 1]:
                number = sum(map(len, rounds.measures.values()))
                with recorded.open("rb") if name == alone else flowing(programs) as messages:
                    rounds.measures[name].append(_load(database, f"bench{number}", messages))
    about = f"{PIPELINE_ITEMS:,} export items, all three streams, into a new database of a local PostgreSQL server."
    limit = Limit(f"wall of {together} relative to {alone}", 1.1, rounds.ratios(together, "wall"))
    return Result(about, rounds.table(), [limit])


def _load(server: Postgres, database: str, messages: IO[bytes]) -> Measure:
    server.create_database(database)
    config = {
        "sqlalchemy_url": server.url(database),
        "default_target_schema": "pleo",
        "validate_records": False,
        "use_copy": True,
        "batch_size_rows": 10_000,
    }
    loader = Program(name="target-postgres", command=(str(TARGET), "--config", "config.json"), config=config)
    with tempfile.TemporaryDirectory() as name:
        environment = loader.prepare(Path(name))
        found = measure(loader.command, env=environment, cwd=Path(name), mark=b"bookmarks", stdin=messages)
    with server.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM pleo.export_items").fetchone()
    if row != (PIPELINE_ITEMS,):
        raise RunFailedError(f"target-postgres: {row} rows in the database instead of {PIPELINE_ITEMS}")
    return found


def record(programs: Sequence[Program], path: Path) -> None:
    """Run programs as a pipeline into a file."""
    with flowing(programs) as messages, path.open("wb") as file:
        while piece := messages.read(1 << 20):
            file.write(piece)


@contextlib.contextmanager
def flowing(programs: Sequence[Program]) -> Iterator[IO[bytes]]:
    """Run programs as a pipeline for the duration of the block, and yield its output."""
    processes: list[subprocess.Popen[bytes]] = []
    with contextlib.ExitStack() as stack:
        for program in programs:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            environment = program.prepare(folder)
            stdin = processes[-1].stdout if processes else subprocess.DEVNULL
            process = subprocess.Popen(
                program.command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd=folder,
            )
            if processes and processes[-1].stdout:
                # Only the next process may keep it open, or it would not see the end.
                processes[-1].stdout.close()
            processes.append(process)
        output = processes[-1].stdout
        assert output is not None
        try:
            with output:
                yield output
        finally:
            codes = [process.wait(MAX_RUN_SECONDS) for process in processes]
    if any(codes):
        raise RunFailedError(f"{', '.join(program.name for program in programs)}: exit codes {codes}")


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
    limit = Limit(f"wall of {second} relative to {first}", 1.2, rounds.ratios(second, "wall"))
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
