"""Tables of the validation's results in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from demo.report import major, new_table

if TYPE_CHECKING:
    import psycopg
    from rich.table import Table

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
