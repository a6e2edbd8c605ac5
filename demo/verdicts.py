"""The validation's verdicts in PostgreSQL, as tables for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from demo.report import major, new_table

if TYPE_CHECKING:
    import psycopg
    from rich.table import Table

SHOWN_REASONS = 12
SHOWN_ITEMS = 5

_CHECKS = """
    SELECT name, count(*) FILTER (WHERE passed), count(*) FILTER (WHERE NOT passed)
    FROM (
        SELECT "jobId", "accountingEntryId", finding->>'check' AS name,
               bool_and(finding->>'status' = 'passed') AS passed
        FROM export_items CROSS JOIN unnest("validationChecks") AS finding
        GROUP BY 1, 2, 3
    ) AS verdicts
    GROUP BY name ORDER BY name
"""
_REASONS = """
    SELECT finding->>'check', finding->>'failureReasonType', finding->>'failureReason',
           amount->'inWalletCurrency'->>'currency', count(*), sum((amount->'inWalletCurrency'->>'value')::numeric)
    FROM export_items CROSS JOIN unnest("validationChecks") AS finding
    WHERE finding->>'status' <> 'passed'
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 4
"""
_FAILED = """
    SELECT type, "validationFailureReason", link.value
    FROM export_items LEFT JOIN LATERAL (SELECT value FROM jsonb_each_text("_links"->'web') LIMIT 1) AS link ON true
    WHERE "validationStatus" = 'failed'
    ORDER BY date, "accountingEntryId" LIMIT %s
"""


def checks(connection: psycopg.Connection[Any]) -> Table:
    """Return how many items passed and failed each check."""
    table = new_table("Validation", "check", right=("passed", "failed"))
    for name, passed, failed in connection.execute(_CHECKS):
        table.add_row(name, str(passed), str(failed))
    outcome = dict(connection.execute('SELECT "validationStatus", count(*) FROM export_items GROUP BY 1').fetchall())
    table.add_section()
    table.add_row("items", str(outcome.get("passed", 0)), str(outcome.get("failed", 0)))
    return table


def reasons(connection: psycopg.Connection[Any]) -> Table:
    """Return the failures by check and Pleo's wording: type, items, and amounts per wallet currency."""
    found: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for check, type_, reason, currency, items, cents in connection.execute(_REASONS):
        found.setdefault((check, type_, reason), []).append((items, f"{major(cents)} {currency}"))
    rows = sorted(found.items(), key=lambda row: -sum(items for items, _ in row[1]))
    title = "Failures by reason" + (f", the first {SHOWN_REASONS} of {len(rows)}" if len(rows) > SHOWN_REASONS else "")
    table = new_table(title, "check, reported as", right=("items", "amounts"))
    table.add_column("reason")
    for (check, type_, reason), amounts in rows[:SHOWN_REASONS]:
        total = str(sum(items for items, _ in amounts))
        table.add_row(f"{check}\n  {type_}", total, "\n".join(amount for _, amount in amounts), reason)
    return table


def failed_keys(connection: psycopg.Connection[Any]) -> set[tuple[str, str]]:
    """Return the failed items by job and entry, in lower case."""
    rows = connection.execute(
        """SELECT lower("jobId"), lower("accountingEntryId") FROM export_items WHERE "validationStatus" = 'failed'"""
    )
    return {(job, entry) for job, entry in rows}


def failed_items(connection: psycopg.Connection[Any]) -> Table:
    """Return the oldest failed items with their address in Pleo."""
    table = new_table(f"The first {SHOWN_ITEMS} failed items, in Pleo", "type", "address")
    table.add_column("reason")
    for type_, reason, address in connection.execute(_FAILED, (SHOWN_ITEMS,)):
        table.add_row(type_, address or "none", reason)
    return table
