"""The expected result of a load, computed from the sandbox's objects."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import psycopg

    from sandbox import Sandbox

Key = tuple[str, str]
RUNNING = ("pending", "in_progress")
EXACT = Context(prec=100)

KEYS = {
    "export_jobs": "SELECT id FROM export_jobs",
    "export_job_items": 'SELECT "exportJobId", "accountingEntryId" FROM export_job_items',
    "export_items": 'SELECT "jobId", "accountingEntryId" FROM export_items',
}
AMOUNTS = """
    SELECT amount->'inWalletCurrency'->>'currency' AS currency, (amount->'inWalletCurrency'->>'value')::numeric AS cents
    FROM export_items
"""


class Sums(NamedTuple):
    """Items of one wallet currency and the exact sum of their amounts in cents."""

    items: int
    cents: Decimal


def expected_items(sandbox: Sandbox, statuses: Collection[str] = RUNNING) -> dict[Key, dict[str, Any]]:
    """Return the items a default run must load, by job id and accounting entry id as Pleo serves them."""
    expected = {}
    for job in sandbox.jobs.values():
        if not job.running:
            continue
        status = {entry.lower(): value for entry, value in job.item_statuses.items()}
        for item in job.items:
            entry = item["accountingEntryId"]
            if status.get(entry.lower()) in statuses:
                expected[job.id, entry] = item
    return expected


def wallet_sums(items: Iterable[dict[str, Any]]) -> dict[str, Sums]:
    """Add up items (``ExportItemV3``) per wallet currency."""
    amounts = [(item.get("amount") or {}).get("inWalletCurrency") or {} for item in items]
    return _sums((amount.get("currency"), amount.get("value")) for amount in amounts)


def loaded_sums(connection: psycopg.Connection[Any]) -> dict[str, Sums]:
    """Add up the rows of ``export_items`` per wallet currency."""
    return _sums(connection.execute(AMOUNTS))


def loaded_keys(connection: psycopg.Connection[Any], table: str) -> Counter[tuple[str, ...]]:
    """Return how often each key occurs in a table."""
    return Counter(connection.execute(KEYS[table]))


def _sums(amounts: Iterable[tuple[str | None, Any]]) -> dict[str, Sums]:
    counts: Counter[str] = Counter()
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    for currency, cents in amounts:
        counts[currency or "none"] += 1
        totals[currency or "none"] = EXACT.add(totals[currency or "none"], Decimal(str(cents or 0)))
    return {currency: Sums(counts[currency], totals[currency]) for currency in sorted(counts)}
