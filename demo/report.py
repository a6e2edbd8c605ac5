"""Tables of the records in PostgreSQL after a load, and their comparison with the sandbox."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from rich import box
from rich.table import Table

from tools.expectation import EXACT, expected_items, loaded_keys, loaded_sums, wallet_sums

if TYPE_CHECKING:
    import psycopg

    from sandbox import Sandbox

EXAMPLE = "SELECT type, count(*) FROM export_items GROUP BY type ORDER BY 2 DESC"

_JOBS = """
    SELECT job.id, job.status, left(job."createdAt", 16), job."numberOfItems",
           count(item."accountingEntryId")
    FROM export_jobs AS job
    LEFT JOIN export_items AS item ON item."jobId" = job.id
    GROUP BY job.id, job.status, job."createdAt", job."numberOfItems"
    ORDER BY job."createdAt"
"""
_TYPES = 'SELECT type, "jobId", count(*) FROM export_items GROUP BY type, "jobId" ORDER BY type'


class Check(NamedTuple):
    """Result of the comparison of the database with the sandbox."""

    equal: bool
    text: str


def jobs(connection: psycopg.Connection[Any]) -> Table:
    """Return the export jobs, oldest first."""
    table = new_table("Export jobs", "job", "status", "created (UTC)", right=("items", "to export"))
    for job, status, created, announced, loaded in connection.execute(_JOBS):
        table.add_row(short(job), status, created.replace("T", " "), str(announced), str(loaded))
    return table


def types(connection: psycopg.Connection[Any]) -> Table:
    """Return the number of items by type, one column per job."""
    counts: dict[str, Counter[str]] = {}
    columns = Counter({job: 0 for job, *_ in connection.execute(_JOBS)})
    for type_, job, count in connection.execute(_TYPES):
        counts.setdefault(type_, Counter())[job] = count
        columns[job] += count
    table = new_table("Export items by type", "type", right=(*map(short, columns), "all"))
    for type_, by_job in counts.items():
        table.add_row(type_, *(str(by_job[job] or "") for job in columns), str(by_job.total()))
    table.add_section()
    table.add_row("all", *map(str, columns.values()), str(columns.total()))
    return table


def amounts(sandbox: Sandbox, connection: psycopg.Connection[Any]) -> Table:
    """Return the exact sums per wallet currency, next to those of the sandbox."""
    table = new_table("Amounts in wallet currency", "", right=("items", "sum in PostgreSQL", "sum in the sandbox"))
    expected = wallet_sums(expected_items(sandbox).values())
    loaded = loaded_sums(connection)
    for currency in sorted({*expected, *loaded}):
        here, there = loaded.get(currency), expected.get(currency)
        table.add_row(
            currency, str(here.items if here else 0), major(here and here.cents), major(there and there.cents)
        )
    return table


def new_table(title: str, *left: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table with left-aligned columns, and right-aligned ones for numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def check(sandbox: Sandbox, connection: psycopg.Connection[Any]) -> Check:
    """Compare number, keys and sums of ``export_items`` with the sandbox."""
    expected = expected_items(sandbox)
    loaded = loaded_keys(connection, "export_items")
    same_keys = loaded == Counter(expected.keys())
    same_sums = loaded_sums(connection) == wallet_sums(expected.values())
    keys = "keys equal" if same_keys else "keys DIFFER"
    sums = "sums per currency equal to the sandbox's" if same_sums else "sums per currency DIFFER from the sandbox's"
    text = f"{loaded.total()} of {len(expected)} items in PostgreSQL, {keys}, {sums}"
    return Check(same_keys and same_sums, text)


def short(job_id: str) -> str:
    """Return the first group of a job's UUID, which is unique in the demo."""
    return job_id.partition("-")[0]


def major(cents: Decimal | None) -> str:
    """Return cents in major units, with every digit and at least two decimals."""
    if cents is None:
        return "none"
    value = EXACT.divide(cents, Decimal(100))
    decimals = max(2, -int(value.normalize(EXACT).as_tuple().exponent))
    return f"{value:,.{decimals}f}"
