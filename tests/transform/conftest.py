"""A world with all kinds of amounts, loaded once and built on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.kinds import VARIED, Kind
from tests.helpers import accountant_world
from tests.helpers.voucher_world import VARS
from tests.helpers.voucher_world import world as voucher_world
from tests.helpers.warehouse import PLUGINS, Warehouse, load
from tools import postgres as pg

NEEDED = ("utilities/dbt-postgres", "utilities/dbt-duckdb", "loaders/target-postgres", "loaders/target-jsonl")
ACCOUNTS = {"wallet": "1240", "outOfPocket": "2890", "contra": "1910", "accountsPayable": "2440"}
# Without this check, items that cannot be booked reach the models.
MAPPING = {
    "configuration": [{"companyId": "*", "journal": "PLEO", "accounts": ACCOUNTS}],
    "disabled_checks": ["expense_gl_account"],
}
AMOUNTS: dict[str, tuple[str, int | Decimal, str]] = {
    "fraction_of_a_cent": ("EUR", Decimal("0.005"), "0.00005"),
    "nineteen_digits": ("EUR", 9223372036854775807, "92233720368547758.07"),
    "digits_on_both_sides": ("EUR", Decimal("1234567890123456789.123456789012"), "12345678901234567.89123456789012"),
    "yen": ("JPY", 12345, "12345"),
    "dinars": ("KWD", Decimal("1234567.5"), "1234.5675"),
    "unidad": ("UYW", 12345, "1.2345"),
    "negative": ("EUR", -12345, "-123.45"),
    "negative_fraction": ("EUR", Decimal("-0.1"), "-0.001"),
    "zero": ("EUR", 0, "0"),
    "no_float": ("EUR", Decimal("1999.95"), "19.9995"),
}


@dataclass
class World:
    """A sandbox, and the accounting entry ids of its hostile items by name."""

    pleo: Sandbox
    entries: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, item: dict[str, Any]) -> dict[str, Any]:
        self.entries[name] = item["accountingEntryId"]
        return item


def pay(item: dict[str, Any], currency: str, value: Any) -> None:
    """Give an item and its only line one amount, without tax."""
    for holder, name in [
        (item, "amount"),
        *((line, n) for line in item["accountingEntryLines"] for n in ("lineAmount", "netAmount")),
    ]:
        holder[name] = {
            side: {"currency": currency, "value": value} for side in ("inSupplierCurrency", "inWalletCurrency")
        }
    for line in item["accountingEntryLines"]:
        line["tax"] = None


def hostile(pleo: Sandbox) -> World:
    world = World(pleo)
    now = pleo.now()
    names = [*AMOUNTS, "unknown_currency", "no_lines", "off_by_a_hair", "without_account", "mixed", "odd_date", "tags"]
    job = pleo.add_job(items=len(names), kinds=[Kind("card_purchase")], created_at=now - timedelta(minutes=5))
    items = dict(zip(names, job.items, strict=True))
    for name, item in items.items():
        world.add(name, item)
        currency, value, _ = AMOUNTS.get(name, ("EUR", 100, ""))
        pay(item, currency, value)
    line = {name: item["accountingEntryLines"][0] for name, item in items.items()}
    pay(items["unknown_currency"], "QQQ", 100)
    items["no_lines"]["accountingEntryLines"] = []
    line["off_by_a_hair"]["lineAmount"]["inWalletCurrency"]["value"] = Decimal("100.001")
    line["without_account"]["account"] = None
    line["mixed"]["lineAmount"]["inWalletCurrency"]["currency"] = "USD"
    items["odd_date"]["date"] = "2025-02-30T25:00:00Z"
    groups = ("O'Brien", "COST centre", "cost_centre", "部門")
    line["tags"]["tags"] = [{"id": job.id, "code": f"T{n}", "groupCode": group} for n, group in enumerate(groups)]

    # The same entry in a younger job, which the tap reads later, and in an older one that had failed.
    twice = pleo.add_job(items=1, kinds=[Kind("card_purchase")], created_at=now - timedelta(minutes=9)).items[0]
    again = pleo.add_job(items=[{**twice, "note": "again"}], created_at=now - timedelta(minutes=2))
    world.entries["twice"] = twice["accountingEntryId"]
    twice["note"] = "first"
    assert again.items[0]["note"] == "again"
    pleo.add_job(items=84, created_at=now - timedelta(minutes=3), item_status=("pending", "failed", "successful"))
    pleo.add_job(items=len(VARIED), kinds=VARIED, created_at=now - timedelta(minutes=1))
    return world


@pytest.fixture(scope="session")
def server() -> Iterator[pg.Postgres]:
    absent = [plugin for plugin in NEEDED if not (PLUGINS / plugin / "venv").is_dir()]
    assert not absent, f"not installed: {', '.join(absent)}; run 'make test-warehouse'"
    with pg.running() as running:
        yield running


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with Sandbox() as pleo:
        yield hostile(pleo)


@pytest.fixture(scope="session")
def files(world: World, server: pg.Postgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    server.create_database("warehouse")
    return load(world.pleo, server, "warehouse", tmp_path_factory.mktemp("load"), MAPPING)


@pytest.fixture(scope="session")
def built(files: Path, server: pg.Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Warehouse]:
    warehouses = {}
    for kind in ("postgres", "duckdb"):
        made = Warehouse(kind, tmp_path_factory.mktemp(kind), server, "warehouse", files)
        made.build()
        warehouses[kind] = made
    return warehouses


@pytest.fixture(params=["postgres", "duckdb"])
def warehouse(request: pytest.FixtureRequest, built: dict[str, Warehouse]) -> Warehouse:
    return built[request.param]


@pytest.fixture(scope="session")
def items() -> dict[str, dict[str, Any]]:
    return voucher_world()[1]


class BuiltOnDemand(dict[str, Warehouse]):
    """Warehouses by kind, each built when a test first needs it."""

    def __init__(self, build: Callable[[str], Warehouse]) -> None:
        """Remember how to build one."""
        self._build = build

    def __missing__(self, kind: str) -> Warehouse:
        """Build the warehouse."""
        self[kind] = self._build(kind)
        return self[kind]


@pytest.fixture(scope="session")
def booked(server: pg.Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Warehouse]:
    """The world of vouchers, built on both databases."""

    def build(kind: str) -> Warehouse:
        folder = tmp_path_factory.mktemp(kind)
        server.create_database(f"vouchers_{kind}")
        made = Warehouse(kind, folder, server, f"vouchers_{kind}", folder)
        voucher_world()[0].into(made)
        made.build("--vars", json.dumps(VARS))
        return made

    return BuiltOnDemand(build)


@pytest.fixture(params=["postgres", "duckdb"])
def books(request: pytest.FixtureRequest, booked: dict[str, Warehouse]) -> Warehouse:
    return booked[request.param]


@pytest.fixture(scope="session")
def accountants(server: pg.Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Warehouse]:
    """The accountant's world: loaded, built and recorded in full, then loaded and built again."""

    def build(kind: str) -> Warehouse:
        folder = tmp_path_factory.mktemp(kind)
        made = Warehouse(kind, folder, server, f"accountant_{kind}", folder)
        server.create_database(made.database)
        for made_load in (accountant_world.first_load(), accountant_world.second_load()):
            made_load.into(made)
            made.build()
            if not made.rows("select 1 from pleo_recorded limit 1"):
                made.rows(accountant_world.RECORD, accountant_world.BALANCE)
        return made

    return BuiltOnDemand(build)


@pytest.fixture(params=["postgres", "duckdb"])
def accountant(request: pytest.FixtureRequest, accountants: dict[str, Warehouse]) -> Warehouse:
    return accountants[request.param]
