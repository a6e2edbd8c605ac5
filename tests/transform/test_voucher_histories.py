"""Histories of entries: exported, exported again, failed, abandoned, cancelled, recorded, in any order."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.randomness import replayable_random
from tests.helpers.voucher_model import Delivery
from tests.helpers.voucher_records import Load, failed, item, uuid
from tests.helpers.walk_judge import WalkedEntry
from tests.helpers.warehouse import Warehouse
from tools.postgres import Postgres

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(1800)]
ROUNDS, ENTRIES = 4, 400
EVENTS = ("deliver", "again", "fail", "status", "record", "cancel", "none")
AMOUNTS = (11900, 11900, 500, -700, 0)
STATUSES = ("in_progress", "successful", "failed", "abandoned")


class World:
    """A warehouse, and entries that are each delivered by separate jobs.

    Attributes:
        warehouse: With the models.
        entries: Expected state of each, by number.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        """Start without entries."""
        self.warehouse = warehouse
        self.entries: dict[int, WalkedEntry] = defaultdict(WalkedEntry)
        self.published: list[Any] = []

    def play(self, events: dict[int, tuple[str, int, str]]) -> None:
        """Let something happen to each entry, build, and compare."""
        load = Load()
        for number, (event, amount, status) in events.items():
            self._happen(load, number, event, amount, status)
        load.into(self.warehouse)
        self.warehouse.build("--exclude-resource-type", "test", "unit_test")
        for entry in self.entries.values():
            entry.build()
        self._compare()

    def _happen(self, load: Load, number: int, event: str, amount: int, status: str) -> None:
        entry = self.entries[number]
        job = number * 100 + max(entry.deliveries, default=0) % 100
        if event in {"deliver", "again", "fail"} or not entry.deliveries:
            verdict = "failed" if event == "fail" else "booked"
            found = Delivery(job + 1, amount, verdict)
            if event == "again" and entry.deliveries:
                found.amount = entry.deliveries[job].amount
            entry.deliveries[job + 1] = found
            record = item(number, amount=found.amount)
            load.job(found.job)
            load.deliver(found.job, failed(record) if verdict == "failed" else record)
        elif event == "status":
            entry.deliveries[job].status = status
            entry.successes = {own: None for own, known in entry.deliveries.items() if known.status == "successful"}
            load.status(job, uuid(number), status)
        elif event == "cancel":
            entry.deliveries[job].job_status = "failed"
            load.job(job, "failed", failureReasonType="canceled_by_user")
        elif event == "record" and entry.booked is not None and len(entry.vouchers) not in entry.recorded:
            entry.record("expense", len(entry.vouchers), number, f"JE-{number}")
            self._execute(
                "insert into {schema}pleo_recorded (voucher_id, external_id, recorded_at) "
                f"values ('{uuid(number)}/expense/{len(entry.vouchers)}', 'JE-{number}', current_timestamp)"
            )

    def _execute(self, statement: str) -> None:
        if self.warehouse.kind == "duckdb":
            self.warehouse.rows(statement.format(schema=""))
        else:
            with self.warehouse.server.connect(self.warehouse.database) as connection:
                connection.execute(statement.format(schema="pleo_models."))

    def vouchers(self) -> list[Any]:
        """Return all vouchers, in the order of publication."""
        return self.warehouse.rows(
            "select publication, voucher_id, kind, reverses, accounting_entry_id, version, amount, digest, "
            "published_at from pleo__vouchers order by publication, accounting_entry_id, version"
        )

    def _compare(self) -> None:
        found = self.vouchers()
        assert [row for row in self.published if row not in set(found)] == [], "a published voucher is gone"
        self.published = found
        by_entry = defaultdict(list)
        for _, voucher, kind, _, entry, version, amount, *_ in found:
            assert voucher == f"{entry}/expense/{version}"
            by_entry[entry].append((version, kind, int(amount * 100)))
        for number, entry in self.entries.items():
            wanted = [(place, kind, amount) for place, (kind, amount) in enumerate(entry.vouchers, 1)]
            assert sorted(by_entry[uuid(number)]) == wanted, (number, entry)
        self._add_up()
        self._to_book()

    def _add_up(self) -> None:
        rows = self.warehouse.rows(
            "select accounting_entry_id, role, sum(amount) from pleo__voucher_lines group by 1, 2 "
            "having sum(amount) <> 0"
        )
        sums: dict[str, dict[str, Decimal]] = defaultdict(dict)
        for entry, role, amount in rows:
            sums[entry][role] = amount
        for number, entry in self.entries.items():
            amount = Decimal(entry.booked or 0) / 100
            assert sums[uuid(number)] == ({"line": amount, "wallet": -amount} if amount else {})

    def _to_book(self) -> None:
        """Current bookings wait, unless recorded or reported; recorded and waiting vouchers come to it."""
        waiting = defaultdict(set)
        for voucher, entry_id in self.warehouse.rows(
            "select voucher_id, accounting_entry_id from pleo__vouchers_to_book"
        ):
            waiting[entry_id].add(int(voucher.rsplit("/", 1)[1]))
        for number, entry in self.entries.items():
            own = waiting[uuid(number)]
            bookings = {version for version in own if entry.vouchers[version - 1][0] == "booking"}
            assert bookings == {version for _, version in entry.to_book()}, (number, entry)
            done = entry.recorded | entry.reported().keys()
            assert sum(entry.vouchers[version - 1][1] for version in done | own) == (entry.booked or 0), (number, entry)

    def build_again(self) -> None:
        """Build without anything new: nothing is added, and dbt's tests pass."""
        self.warehouse.build("--exclude", "assert_signs_agree")
        assert self.vouchers() == self.published


def play(world: World, histories: list[list[tuple[str, int, str]]]) -> None:
    for place in range(ROUNDS):
        world.play({number: history[place] for number, history in enumerate(histories, 1)})
    world.build_again()


def test_any_histories(server: Postgres, tmp_path: Path) -> None:
    rng = replayable_random()
    histories = [
        [(rng.choice(EVENTS), rng.choice(AMOUNTS), rng.choice(STATUSES)) for _ in range(ROUNDS)] for _ in range(ENTRIES)
    ]
    play(World(Warehouse("duckdb", tmp_path, server, "postgres", tmp_path)), histories)


KNOWN = [
    [("deliver", 11900, ""), ("again", 0, ""), ("deliver", 500, ""), ("fail", 0, "")],
    [("deliver", 11900, ""), ("record", 0, ""), ("deliver", 500, ""), ("fail", 0, "")],
    [("deliver", 11900, ""), ("status", 0, "abandoned"), ("again", 0, ""), ("cancel", 0, "")],
    [("deliver", 11900, ""), ("status", 0, "successful"), ("fail", 500, ""), ("deliver", 500, "")],
    [("deliver", 11900, ""), ("record", 0, ""), ("cancel", 0, ""), ("deliver", 0, "")],
    [("fail", 11900, ""), ("deliver", 11900, ""), ("cancel", 0, ""), ("deliver", -700, "")],
]


def test_known_histories_on_postgres(server: Postgres, tmp_path: Path) -> None:
    server.create_database("histories")
    play(World(Warehouse("postgres", tmp_path, server, "histories", tmp_path)), KNOWN)
