"""``make soak``: random kills, signals and faults, world after world, until the time is up; nothing may be missing.

Each world is a sandbox of its own and an empty database. The pipeline is run, disturbed at random moments, and run
again from the state that the target acknowledged, some times over; then it is left in peace to finish, and the
database must hold every item exactly once with its exact amount. The seed repeats worlds and plans; moments are the
machine's.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from threading import Timer
from typing import TYPE_CHECKING, Any

from bench import flat
from harness import postgres
from harness.expectation import expected_items
from harness.meltano import CHECKOUT
from harness.pipes import Pipes, tap_settings
from sandbox import Fault, Sandbox

if TYPE_CHECKING:
    import psycopg

    from harness.postgres import Postgres

VICTIMS = ("tap", "tap", "mapper", "target")
STATUSES = ("pending", "in_progress", "pending", "successful", "failed")
PATHS = ("/v3/export-items", "/v3/export-items", "/v3/export-jobs/*/items", "/v3/*")
FAULTS: tuple[dict[str, Any], ...] = (
    *({"status": status} for status in (500, 502, 503, 504)),
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"kind": "reset"},
    {"kind": "reset_body"},
    {"kind": "truncate"},
    {"kind": "html"},
    {"kind": "delay", "seconds": 0.3},
)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOMENTS = (0.4, 2.2)
LATENCIES = (0, 0.01, 0.05, 0.1)
RUNS_IN_PEACE = 3
FLAT = ((200_000, 1), (10_000, 2_000))
LOADED = """
    SELECT "jobId", "accountingEntryId", amount->'inWalletCurrency'->>'value'
    FROM export_items
"""


@dataclass
class Counts:
    """What has been done, and what it came to."""

    kills: int = 0
    signals: int = 0
    faults: int = 0
    runs: int = 0
    items: int = 0
    missing: int = 0
    repeated: int = 0
    wrong: int = 0

    @property
    def good(self) -> bool:
        """Whether nothing has gone wrong."""
        return not (self.missing or self.repeated or self.wrong)

    def __str__(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in asdict(self).items())


class SoakError(Exception):
    """A pipeline that is left in peace does not finish."""


def populate(pleo: Sandbox, rng: Random) -> None:
    """Make jobs of all sizes with amounts of all kinds, on a Pleo with oddities."""
    for _ in range(rng.randint(1, 5)):
        job = pleo.add_job(
            items=rng.choice((rng.randint(0, 60), rng.randint(60, 400), rng.randint(400, 900))),
            status=rng.choice(("pending", "in_progress")),
            created_at=pleo.now() - timedelta(minutes=rng.uniform(1, 20)),
            item_status=rng.sample(STATUSES, rng.randint(1, len(STATUSES))),
        )
        for item in job.items:
            cents = rng.choice((rng.randint(-(10**6), 10**6), Decimal(rng.randint(-(10**22), 10**22)).scaleb(-4)))
            item["amount"]["inWalletCurrency"]["value"] = cents
            # Lines longer than a pipe's atomic write can be torn, and full pipes hold the tap up inside a page.
            item["note"] = "x" * rng.choice((0, 200, 2_000, 9_000))
    pleo.max_limit = rng.choice((30, 100, 1000))
    pleo.send_total = rng.random() < 0.7  # noqa: PLR2004 - mostly
    pleo.omit_last_cursor = rng.random() < 0.5  # noqa: PLR2004 - evenly
    pleo.shuffle_items = rng.random() < 0.5  # noqa: PLR2004 - evenly
    pleo.empty_page_at = set(rng.sample(range(1, 12), rng.randint(0, 3)))


def disturbed_run(pleo: Sandbox, pipes: Pipes, rng: Random, counts: Counts) -> None:
    """Run the pipeline with faults, and strike one or two of its processes at random moments."""
    pleo.faults.clear()
    pleo.add_fault(Fault(path="/v3/*", nth=1, times=10**6, kind="delay", seconds=rng.choice(LATENCIES)))
    faults = [
        pleo.add_fault(Fault(path=rng.choice(PATHS), nth=rng.randint(1, 12), **rng.choice(FAULTS)))
        for _ in range(rng.randint(0, 3))
    ]
    timers = []
    for _ in range(rng.randint(1, 2)):
        strike = partial(_strike, pipes, rng.choice(VICTIMS), rng.choice(SIGNALS), counts)
        at_request, at_moment = rng.randint(1, 15), rng.uniform(*MOMENTS)
        if rng.choice((True, False)):
            at = Fault(path=PATHS[0], nth=at_request, kind="callback", callback=lambda _, strike=strike: strike())  # type: ignore[misc]
            pleo.add_fault(at)
        else:
            timers.append(Timer(at_moment, strike))
    pipes.start()
    for timer in timers:
        timer.start()
    pipes.wait()
    for timer in timers:
        timer.cancel()
        timer.join()
    counts.runs += 1
    counts.faults += sum(fault.nth is not None and fault.seen >= fault.nth for fault in faults)


def _strike(pipes: Pipes, victim: str, number: signal.Signals, counts: Counts) -> None:
    if pipes.signal(victim, number):
        counts.kills += number == signal.SIGKILL
        counts.signals += number != signal.SIGKILL


def finish(pleo: Sandbox, pipes: Pipes, counts: Counts) -> None:
    """Run the pipeline in peace.

    Raises:
        SoakError: It fails again and again.
    """
    pleo.faults.clear()
    for _ in range(RUNS_IN_PEACE):
        codes = pipes.run()
        counts.runs += 1
        if not any(codes.values()):
            return
    raise SoakError(f"exit codes {codes} without a fault")


def compare(pleo: Sandbox, connection: psycopg.Connection[Any], counts: Counts) -> None:
    """Hold the database against the sandbox, item by item."""
    expected = {key: Decimal(item["amount"]["inWalletCurrency"]["value"]) for key, item in expected_items(pleo).items()}
    rows = connection.execute(LOADED).fetchall() if expected else []
    times = Counter((job, entry) for job, entry, _ in rows)
    amounts = {(job, entry): Decimal(cents) for job, entry, cents in rows}
    counts.items += len(expected)
    counts.missing += len(expected.keys() - amounts.keys())
    counts.repeated += times.total() - len(times)
    # An amount that differs by a digit, or an item that was not to come.
    counts.wrong += sum(expected.get(key) != cents for key, cents in amounts.items())


def play(rng: Random, server: Postgres, database: str, folder: Path, counts: Counts) -> str:
    """Play one world and return a line about it."""
    server.create_database(database)
    with Sandbox(seed=rng.getrandbits(32)) as pleo:
        populate(pleo, rng)
        settings = tap_settings(
            pleo,
            page_size=rng.choice((7, 25, 100)),
            max_concurrent_requests=rng.choice((1, 2, 4, 8)),
            max_retries=2,
        )
        pipes = Pipes(folder, settings, server.url(database), rows=rng.choice((10, 100, 1000)))
        disturbances = rng.randint(1, 6)
        for _ in range(disturbances):
            disturbed_run(pleo, pipes, rng, counts)
        finish(pleo, pipes, counts)
        with server.connect(database) as connection:
            compare(pleo, connection, counts)
        return f"{len(pleo.jobs)} jobs, {len(expected_items(pleo))} items, disturbed {disturbances} times"


def measure_flatness() -> bool:
    """Measure memory and STATE at full size, and return whether they are within bounds."""
    within = True
    for items, jobs in FLAT:
        command = [sys.executable, "-m", "bench.flat", f"--items={items}", f"--jobs={jobs}"]
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


def main() -> int:
    """Soak, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="no world is begun later (default 180)")
    parser.add_argument("--seed", type=int, default=None, help="repeat the worlds of an earlier soak")
    options = parser.parse_args()
    ends_at = time.monotonic() + options.seconds
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    within = measure_flatness()
    rng, counts, world = Random(seed), Counts(), 0
    folder = Path(tempfile.mkdtemp(prefix="pleo-soak-"))
    with postgres.running() as server:
        while counts.good and (time.monotonic() < ends_at or not counts.items):
            world += 1
            here = folder / str(world)
            here.mkdir()
            try:
                print(f"world {world}: {play(rng, server, f'soak_{world}', here, counts)}", flush=True)
            except SoakError as error:
                print(f"world {world}: {error}", flush=True)
                counts.missing += 1
    if counts.good:
        shutil.rmtree(folder)
    else:
        print(f"settings, states and logs are in {folder}")
    if not within:
        print("memory or STATE is out of bounds")
    print(counts)
    return 0 if counts.good and within else 1


if __name__ == "__main__":
    raise SystemExit(main())
