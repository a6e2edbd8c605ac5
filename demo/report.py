"""Tables of PostgreSQL's rows and of the local Pleo's items, and their comparison."""

from __future__ import annotations

import hashlib
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from tools.expectation import EXACT, expected_items, loaded_keys, loaded_sums, wallet_sums

if TYPE_CHECKING:
    from pathlib import Path

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
MAX_REASONS = 12

_CHECKS = """
    SELECT finding->>'check', count(*) FILTER (WHERE finding->>'status' = 'passed'),
           count(*) FILTER (WHERE finding->>'status' <> 'passed')
    FROM export_items CROSS JOIN unnest("validationChecks") AS finding
    GROUP BY 1 ORDER BY 1
"""
_REASONS = """
    SELECT finding->>'check', finding->>'failureReason', amount->'inWalletCurrency'->>'currency', count(*),
           sum((amount->'inWalletCurrency'->>'value')::numeric)
    FROM export_items CROSS JOIN unnest("validationChecks") AS finding
    WHERE finding->>'status' <> 'passed'
    GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2 LIMIT %s
"""
_FAILED = """SELECT lower("jobId"), lower("accountingEntryId") FROM export_items WHERE "validationStatus" = 'failed'"""
_STORED = """
    SELECT file->>'storedPath', file->>'sha256', file->>'storeError'
    FROM export_items CROSS JOIN LATERAL unnest(files) AS file
    WHERE file ?| array['storedPath', 'storeError']
"""
UPDATES = "/v3/export-jobs/*/items"


def jobs(connection: psycopg.Connection[Any]) -> Table:
    """Return the export jobs, oldest first."""
    table = new_table("Export jobs", "job", "status", "created (UTC)", right=("items", "to export"))
    for job, status, created, announced, loaded in connection.execute(_JOBS):
        table.add_row(short(job), status, created.replace("T", " "), str(announced), str(loaded))
    return table


def new_table(title: str, *left: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table with left-aligned columns, and right-aligned ones for numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def check(sandbox: Sandbox, connection: psycopg.Connection[Any]) -> tuple[str, bool]:
    """Compare number, keys and sums of ``export_items`` with the sandbox; return a line, and whether they are equal."""
    expected = expected_items(sandbox)
    loaded = loaded_keys(connection, "export_items")
    same_keys = loaded == Counter(expected.keys())
    same_sums = loaded_sums(connection) == wallet_sums(expected.values())
    keys = "keys equal" if same_keys else "keys DIFFER"
    sums = "sums per currency equal to the sandbox's" if same_sums else "sums per currency DIFFER from the sandbox's"
    text = f"{loaded.total()} of {len(expected)} items in PostgreSQL, {keys}, {sums}"
    return text, same_keys and same_sums


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


def checks(connection: psycopg.Connection[Any]) -> Table:
    """Return the number of passed and failed findings by check."""
    table = new_table("Validation", "check", right=("passed", "failed"))
    for name, passed, failed in connection.execute(_CHECKS):
        table.add_row(name, str(passed), str(failed))
    return table


def reasons(connection: psycopg.Connection[Any]) -> Table:
    """Return the most frequent failures with their amounts in wallet currency."""
    table = new_table("Most frequent failures", "check", right=("items", "amount"))
    table.add_column("reason")
    for check, reason, currency, items, cents in connection.execute(_REASONS, (MAX_REASONS,)):
        table.add_row(check, str(items), f"{major(cents)} {currency}", reason)
    return table


def failed_keys(connection: psycopg.Connection[Any]) -> set[tuple[str, str]]:
    """Return the failed items by job and entry, in lower case."""
    return {(job, entry) for job, entry in connection.execute(_FAILED)}


def check_receipts(folder: Path, connection: psycopg.Connection[Any]) -> tuple[str, bool]:
    """Compare the stored files with the database."""
    rows = connection.execute(_STORED).fetchall()
    expected = {path: sha256 for path, sha256, error in rows if error is None}
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    failed = sum(error is not None for *_, error in rows)
    hashes = "hashes equal to the database's" if expected == found else "hashes DIFFER from the database's"
    equal = expected == found and bool(expected) and not failed
    return f"{len(found)} receipts in {folder}, {hashes}, {failed} not stored", equal


def sent(pleo: Sandbox) -> int:
    """Return how many requests have changed items so far."""
    return sum(request.method == "PUT" for request in pleo.requests_to(UPDATES))


def failing(pleo: Sandbox) -> set[tuple[str, str]]:
    """Return the failed items of readable jobs in Pleo, by job and entry, in lower case."""
    return {
        (job.id.lower(), entry.lower())
        for job in pleo.jobs.values()
        if job.running
        for entry, status in job.item_statuses.items()
        if status == "failed"
    }
