"""Random worlds through load, models, outbox and target until nothing changes: every item of every job settles."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.jobs import RUNNING
from tests.conftest import BIN
from tests.helpers.target import SCHEMAS, UPDATES, record, settings_of, writes
from tests.helpers.voucher_records import ACCOUNTS, KEYS, Load
from tests.helpers.walk_judge import Judge
from tests.helpers.walk_worlds import LONG, WalkedWorld, behind
from tests.helpers.warehouse import Warehouse
from tools.pipes import Pipes, tap_settings
from tools.postgres import Postgres

WORLDS, SEED = int(os.environ.get("PLEO_WALK_WORLDS", "200")), os.environ.get("PLEO_WALK_SEED", "1")
pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(900 + 3 * WORLDS)]
MAPPING = {"configuration": [{"companyId": "*", "journal": "PLEO", "accounts": ACCOUNTS}]}
MEMBERS = ("jobId", "accountingEntryId", "status", "failureReasonType", "failureReason", "externalId", "exportedAt")
OUTBOX = f"select {', '.join(map(json.dumps, MEMBERS))} from pleo__item_updates"
TO_BOOK = "select voucher_id, kind, company_id from pleo__vouchers_to_book order by voucher_id"
PROGRESS = "select job_id, items_to_book, items_to_report, items_to_decide from pleo__export_job_progress"
INSERT = "insert into pleo_recorded (voucher_id, external_id, recorded_at) values "
DISTURBED, QUIET, SHARES = 2, 3, (0.5, 0.5, 0.5, 1.0, 1.0)
"""Rounds, and the share of the vouchers that each of them records."""


class Walk:
    """Worlds of one sandbox and one warehouse.

    Attributes:
        sent: Number of updates in the last round's outbox.
        recorded: Number of vouchers recorded.
    """

    def __init__(self, pleo: Sandbox, warehouse: Warehouse, worlds: int) -> None:
        """Make the worlds."""
        self.pleo, self.warehouse = pleo, warehouse
        self.worlds = [WalkedWorld(pleo, SEED, number) for number in range(worlds)]
        self.judge, self.recorded, self.sent = Judge(), 0, 0
        tap = tap_settings(pleo, max_requests_per_minute=1_000_000)
        self._pipes = Pipes(warehouse.folder, tap, "", mapping=MAPPING, loaded=False)

    def round(self, number: int) -> int:
        """Load, build, record, compare and report; return the target's exit code."""
        self._load()
        command = "run" if number else "build"
        built = self.warehouse.dbt(command, *([] if number else ["--exclude", "assert_signs_agree"]))
        assert built.returncode == 0, built.stdout
        self._record(SHARES[number])
        outbox = self._compare()
        if number < DISTURBED:
            for world in self.worlds:
                world.happen(world.grow, world.cancel, world.expire, world.other_item, *[world.nothing] * 4)
        return self._report(outbox)

    def _load(self) -> None:
        codes = self._pipes.run()
        assert codes["mapper"] == 0
        load = Load()
        for text in self._pipes.output.read_bytes().split(b"\n")[:-1]:
            message = json.loads(text, parse_float=Decimal)
            if message["type"] == "RECORD" and message["stream"] in KEYS:
                load.rows.append((message["stream"], message["record"]))
        load.into(self.warehouse)
        self.judge.read(load.rows)

    def _record(self, share: float) -> None:
        """Record vouchers in any order, after a comparison of those to be booked."""
        rows = self.warehouse.rows(TO_BOOK)
        expected = {
            f"{entry}/{document}/{version}"
            for entry, walked in self.judge.entries.items()
            for document, version in walked.to_book()
        }
        self._same({voucher for voucher, kind, _ in rows if kind == "booking"}, expected)
        values = []
        for world in self.worlds:
            waiting = [voucher for voucher, _, company in rows if company == world.company]
            for voucher in world.rng.sample(waiting, round(share * len(waiting))):
                self.recorded += 1
                entry, document, version = voucher.split("/")
                values.append(f"('{voucher}', 'JE-{self.recorded}', timestamptz '2026-01-01 00:00:00+00' "
                              f"+ interval '{self.recorded} seconds')")  # fmt: skip
                self.judge.entries[entry].record(document, int(version), self.recorded, f"JE-{self.recorded}")
        inserts = [INSERT + ", ".join(values[first : first + 500]) for first in range(0, len(values), 500)]
        self.warehouse.rows(*inserts, "select 1")

    def _compare(self) -> list[dict[str, Any]]:
        """Compare outbox and progress with the judge's, and return the outbox."""
        outbox = [dict(zip(MEMBERS, row, strict=True)) for row in self.warehouse.rows(OUTBOX)]
        found = [(row["jobId"], row["accountingEntryId"], row["status"], row["externalId"]) for row in outbox]
        assert len(found) == len(set(found))
        self._same(set(found), {update for update in self.judge.waiting().values() if update})
        progress = {job: tuple(counts) for job, *counts in self.warehouse.rows(PROGRESS)}
        assert progress == self.judge.progress()
        return outbox

    def _same(self, found: set[Any], expected: set[Any]) -> None:
        """Assert that both are the same; else show a row that differs, its entry and the entry's world."""
        for row in sorted(found ^ expected, key=str):
            entry = row[1] if isinstance(row, tuple) else row.split("/")[0]
            for number, world in enumerate(self.worlds):
                jobs = [job for job in world.jobs for known in job.item_statuses if known.lower() == entry]
                if jobs:
                    what = "is unexpected" if row in found else "is missing"
                    pytest.fail(
                        f"{row} {what}; world {number} of seed {SEED}: {world.log}; {self.judge.entries[entry]}"
                    )

    def _report(self, outbox: list[dict[str, Any]]) -> int:
        self.sent = len(outbox)
        settings = settings_of(self.pleo, complete_jobs=True, start_jobs=True, max_requests_per_minute=1_000_000)
        config = self.warehouse.folder / "report.json"
        config.write_text(json.dumps(settings))
        done = subprocess.run(
            [BIN / "target-pleo-export", "--config", config],
            input=SCHEMAS + b"".join(record(UPDATES, **row) for row in outbox),
            capture_output=True,
            check=False,
        )
        self.log = done.stderr.decode()
        return done.returncode

    def unsettled(self) -> list[str]:
        """Return the open items of jobs that can still be written to, with their worlds."""
        return [
            f"{entry} in job {job.id}: world {number} of seed {SEED}: {world.log}"
            for number, world in enumerate(self.worlds)
            for job in world.jobs
            if job.running and job.record["expiresIn"] == LONG
            for entry, status in job.item_statuses.items()
            if status in RUNNING
        ]


@pytest.fixture
def pleo() -> Iterator[Sandbox]:
    with Sandbox(clock=behind) as pleo:
        yield pleo


@pytest.mark.parametrize(("kind", "worlds"), [("duckdb", WORLDS), ("postgres", 10)])
def test_every_item_settles(pleo: Sandbox, server: Postgres, tmp_path: Path, kind: str, worlds: int) -> None:
    server.create_database(f"walk_{kind}")
    walk = Walk(pleo, Warehouse(kind, tmp_path, server, f"walk_{kind}", tmp_path), worlds)
    for number in range(DISTURBED):
        for world in walk.worlds:
            for _ in range(world.rng.randint(1, 3)):
                world.happen(
                    world.export, world.export, world.grow, world.cancel, world.expire, world.other_item,
                    world.other_job,
                )  # fmt: skip
        walk.round(number)
    for number in range(DISTURBED, DISTURBED + QUIET):
        before = len(writes(pleo))
        assert walk.round(number) == 0, walk.log
    assert (walk.sent, len(writes(pleo)) - before) == (0, 0)
    assert walk.unsettled() == []
