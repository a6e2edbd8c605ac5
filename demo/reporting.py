"""What the local Pleo has noted of its items after the failing ones were reported back, as tables for a person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from demo.report import new_table, short

if TYPE_CHECKING:
    from rich.table import Table

    from sandbox import Sandbox

UPDATES = "/v3/export-jobs/*/items"


def sent(pleo: Sandbox) -> int:
    """Return how many requests have changed items so far."""
    return sum(request.method == "PUT" for request in pleo.requests_to(UPDATES))


def failing(pleo: Sandbox) -> set[tuple[str, str]]:
    """Return the items of readable jobs that Pleo knows as failed, by job and entry, in lower case."""
    return {
        (job.id.lower(), entry.lower())
        for job in pleo.jobs.values()
        if job.running
        for entry, status in job.item_statuses.items()
        if status == "failed"
    }


def statuses(pleo: Sandbox) -> Table:
    """Return how many items of each readable job have each status, in Pleo's own record."""
    running = [job for job in pleo.jobs.values() if job.running]
    names = sorted({status for job in running for status in job.item_statuses.values()})
    table = new_table("Item statuses in Pleo, after the report", "job", right=tuple(names))
    for job in running:
        count = Counter(job.item_statuses.values())
        table.add_row(short(job.id), *(str(count[name] or "") for name in names))
    return table


def reasons(pleo: Sandbox) -> Table:
    """Return the reasons that Pleo shows to the bookkeeper, with their number of items."""
    count = Counter(
        (outcome["failureReasonType"], outcome["failureReason"])
        for job in pleo.jobs.values()
        if job.running
        for outcome in job.outcomes.values()
        if outcome.get("failureReason")
    )
    table = new_table("What the bookkeeper reads in Pleo", "reported as", right=("items",))
    table.add_column("reason")
    for (kind, reason), items in count.most_common():
        table.add_row(kind, str(items), reason)
    return table
