"""The demo world: three readable jobs in three companies, and three finished ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from sandbox.world import World

HEADQUARTERS = "8eb648ab-464b-42a0-ba17-eda703657e33"
SUBSIDIARY = "12abc3d4-e567-890e-1234-abc56e78fabc"
BRANCH = "59540ed2-0d68-4e36-9e31-58223975d9e9"


class Plan(NamedTuple):
    """One job of a world; ``age`` is how long ago it was made."""

    company_id: str
    items: int
    status: str
    age: timedelta
    item_status: tuple[str, ...]
    oddity: str | None = None


MIXED: Final = ("pending", "in_progress", "pending", "successful", "failed")
DEMO: Final = (
    Plan(HEADQUARTERS, 120, "pending", timedelta(minutes=4), ("pending",)),
    Plan(SUBSIDIARY, 130, "in_progress", timedelta(minutes=9), MIXED),
    Plan(BRANCH, 50, "pending", timedelta(minutes=2), ("pending",), "nanoseconds"),
    Plan(HEADQUARTERS, 30, "completed", timedelta(days=1), ("successful",)),
    Plan(HEADQUARTERS, 24, "completed_with_errors", timedelta(days=2), ("successful", "successful", "failed")),
    Plan(SUBSIDIARY, 12, "in_progress", timedelta(days=3), ("pending", "in_progress", "successful")),
)  # fmt: skip


def populate(pleo: World) -> None:
    """Add the demo jobs; the last one has expired, its unfinished items are abandoned."""
    for plan in DEMO:
        job = pleo.add_job(
            items=plan.items,
            status=plan.status,
            company_id=plan.company_id,
            created_at=pleo.now() - plan.age,
            item_status=plan.item_status,
        )
        if plan.oddity == "nanoseconds":
            job.record["createdAt"] = job.record["createdAt"][:-1] + ".123456789Z"
        for number, (entry, status) in enumerate(job.item_statuses.items()):
            job.outcomes[entry] = _outcome(status, number, job.record["lastUpdatedAt"])
        job.expire(pleo.now())


def _outcome(status: str, number: int, at: str) -> dict[str, str]:
    """What an integration would have reported about an item of that status."""
    if status == "successful":
        return {"externalId": f"JE-{number:05}", "externalUrl": f"https://erp.example/JE-{number:05}", "exportedAt": at}
    if status == "failed":
        return {"failureReasonType": "vendor_unknown", "failureReason": "The vendor is blocked."}
    return {}
