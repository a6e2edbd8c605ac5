"""Tables of the local Pleo's items after failures were reported back."""

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
    """Return the failed items of readable jobs in Pleo, by job and entry, in lower case."""
    return {
        (job.id.lower(), entry.lower())
        for job in pleo.jobs.values()
        if job.running
        for entry, status in job.item_statuses.items()
        if status == "failed"
    }


def statuses(pleo: Sandbox) -> Table:
    """Return the number of items by status in Pleo, for each readable job."""
    running = [job for job in pleo.jobs.values() if job.running]
    names = sorted({status for job in running for status in job.item_statuses.values()})
    table = new_table("Item statuses in Pleo, after the report", "job", right=tuple(names))
    for job in running:
        count = Counter(job.item_statuses.values())
        table.add_row(short(job.id), *(str(count[name] or "") for name in names))
    return table
