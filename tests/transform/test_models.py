"""The models' rows equal the sandbox's objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Any

import pytest

from tests.helpers.warehouse import MODELS, Warehouse
from tests.transform.conftest import World
from tests.transform.read_rows import VOLATILE, described, json_text

# The first test of a database also loads it and builds the models.
pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(900)]
EXACT = Context(prec=100)
NO_HUNDREDTHS = {"JPY": 1, "UYI": 1, "KWD": 1000, "UYW": 10000}
UNIT = {"wallet": "inWalletCurrency", "supplier": "inSupplierCurrency"}
PARTS = {"gross": "lineAmount", "net": "netAmount"}


def latest_items(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each entry's latest job and item."""
    found: dict[str, tuple[str, str, dict[str, Any]]] = {}
    for job in sorted(world.pleo.jobs.values(), key=lambda job: str(job.record["createdAt"])):
        for item in job.items:
            found[item["accountingEntryId"].lower()] = (job.id, item["accountingEntryId"], item)
    for job_id, _, item in found.values():
        yield job_id, item


def sums(amounts: Iterator[tuple[str, str, Any]]) -> dict[tuple[str, str], Decimal]:
    total: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for job_id, currency, value in amounts:
        if value is not None:
            total[job_id, currency] = EXACT.add(total[job_id, currency], Decimal(value))
    return {key: value.normalize(EXACT) for key, value in total.items()}


def by_job(rows: list[tuple[Any, ...]]) -> dict[tuple[str, str], Decimal]:
    return {(job, currency): total.normalize(EXACT) for job, currency, total in rows if total is not None}


@pytest.mark.parametrize("side", UNIT)
def test_expense_amounts_are_exact(warehouse: Warehouse, world: World, side: str) -> None:
    expected = sums(
        (job, item["amount"][UNIT[side]]["currency"], item["amount"][UNIT[side]]["value"])
        for job, item in latest_items(world)
    )
    query = f"select job_id, {side}_currency, sum({side}_amount_minor) from pleo__expenses group by 1, 2"

    assert by_job(warehouse.rows(query)) == expected


@pytest.mark.parametrize("side", UNIT)
@pytest.mark.parametrize("part", ["gross", "net", "tax"])
def test_line_amounts_are_exact(warehouse: Warehouse, world: World, side: str, part: str) -> None:
    amounts = [
        (job, (line["tax"] or {}).get("amount") if part == "tax" else line[PARTS[part]], line["lineAmount"])
        for job, item in latest_items(world)
        for line in item["accountingEntryLines"]
        if part != "tax" or line.get("tax")
    ]
    expected = sums(
        (job, gross[UNIT[side]]["currency"], amount[UNIT[side]]["value"]) for job, amount, gross in amounts if amount
    )
    column = f"{side}_{part}_minor"
    query = (
        f"select job_id, {side}_currency, sum({column}) from pleo__accounting_entry_lines "
        f"where {column} is not null group by 1, 2"
    )

    assert by_job(warehouse.rows(query)) == expected


def test_major_units_follow_the_currency_exponent(warehouse: Warehouse) -> None:
    rows = warehouse.rows("select wallet_currency, wallet_amount_minor, wallet_amount from pleo__expenses")
    assert len({currency for currency, *_ in rows}) > 4
    for currency, minor, major in rows:
        if currency in {"QQQ", "UNDEFINED"}:
            assert major is None
        else:
            assert EXACT.multiply(major, Decimal(NO_HUNDREDTHS.get(currency, 100))) == minor


def test_the_latest_job_of_an_entry_counts(warehouse: Warehouse, world: World) -> None:
    where = f"where accounting_entry_id = '{world.entries['twice']}'"

    assert warehouse.rows(f"select note, number_of_jobs from pleo__expenses {where}") == [("again", 2)]
    assert warehouse.rows(f"select count(*) from pleo__accounting_entry_lines {where}") == [(1,)]


def test_impossible_dates_become_null(warehouse: Warehouse, world: World) -> None:
    query = f"select entry_date, entry_at from pleo__expenses where accounting_entry_id = '{world.entries['odd_date']}'"
    assert warehouse.rows(query) == [(None, None)]


def test_tags_are_rows_with_their_groups(warehouse: Warehouse, world: World) -> None:
    rows = warehouse.rows(
        "select group_code, code from pleo__tags "
        f"where accounting_entry_id = '{world.entries['tags']}' order by tag_number"
    )
    assert rows == [("O'Brien", "T0"), ("COST centre", "T1"), ("cost_centre", "T2"), ("部門", "T3")]


@pytest.mark.parametrize("model", MODELS)
def test_both_databases_have_the_same_rows(built: dict[str, Warehouse], model: str) -> None:
    columns = [column for column in described(model) if column not in VOLATILE]
    query = f"select {', '.join(quoted(column) for column in columns)} from {model}"
    postgres, duckdb = (sorted((parsed(row) for row in built[kind].rows(query)), key=repr) for kind in built)

    assert postgres == duckdb


def parsed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row with JSON as text: PostgreSQL's driver parses it, DuckDB's does not."""
    return tuple(json_text(value) for value in row)


@pytest.mark.parametrize("model", MODELS)
def test_every_column_is_described(warehouse: Warehouse, model: str) -> None:
    schema = "table_schema = 'pleo_models' and "
    query = f"select column_name from information_schema.columns where {schema} table_name = '{model}'"
    columns = {column for (column,) in warehouse.rows(query)}

    assert columns == set(described(model))
    assert all(described(model).values())


def quoted(column: str) -> str:
    return f'"{column}"'
