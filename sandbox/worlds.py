"""The worlds, by name, and the jobs of each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sandbox.behaviour import MONEY_BACK, OTHER_SIGNS
from sandbox.conformance import definition, require
from sandbox.kinds import KINDS, SPENDING, VARIED, Kind
from sandbox.settling import export_again, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.jobs import Job
    from sandbox.world import World

HEADQUARTERS = "8eb648ab-464b-42a0-ba17-eda703657e33"
SUBSIDIARY = "12abc3d4-e567-890e-1234-abc56e78fabc"
BRANCH = "59540ed2-0d68-4e36-9e31-58223975d9e9"


JOB_FAILURES: Final[tuple[str, ...]] = tuple(definition("ExportJobFailureReasonType")["enum"])
ITEM_FAILURES: Final[tuple[str, ...]] = tuple(definition("ExportJobItemFailureReasonType")["enum"])


def nanoseconds(job: Job) -> None:
    """A creation time with nine fractional digits."""
    job.record["createdAt"] = job.record["createdAt"][:-1] + ".123456789Z"


def members_absent(job: Job) -> None:
    """Absent members instead of nulls, in the job and in its job items."""
    job.record = {name: value for name, value in job.record.items() if value is not None}
    job.bare_rows = True


def without_vendors(job: Job) -> None:
    """A job of a company that does not keep books by vendor."""
    job.record["vendorBasedBookkeeping"] = False
    for item in job.items:
        item |= {"vendor": None, "bookkeeping": None}


def every_failure(job: Job) -> None:
    """Job items that failed for every documented reason, in turn."""
    for number, entry in enumerate(job.item_statuses):
        reason = ITEM_FAILURES[number % len(ITEM_FAILURES)]
        job.outcomes[entry] = {"failureReasonType": reason, "failureReason": f"The reason is {reason}."}


def empty_texts(job: Job) -> None:
    """Empty texts for reasons and references."""
    job.record |= {"failureReason": "", "failureReasonType": ""}
    names = ("externalId", "externalUrl", "failureReason", "failureReasonType")
    job.outcomes = {entry: dict.fromkeys(names, "") for entry in job.item_statuses}


def unknown_reasons(job: Job) -> None:
    """Reasons beyond the documented ones."""
    job.record |= {"failureReasonType": "solar_flare", "failureReason": "☀"}
    job.outcomes = {entry: {"failureReasonType": "period_closed"} for entry in job.item_statuses}


class Plan(NamedTuple):
    """One job of a world."""

    company_id: str | None  # Company; None for a new one
    items: int
    status: str
    age: timedelta  # Time since its creation
    item_status: tuple[str, ...]
    variety: tuple[Callable[[Job], None], ...] = ()
    record: Mapping[str, Any] = {}  # Members of the job that differ
    kinds: Sequence[Kind] = KINDS  # Kinds of its items
    negative_types: frozenset[str] = MONEY_BACK  # Types whose amounts are negative, if the company is new
    then: Callable[[World, Job], object] | None = None  # Called once the job has ended


DAY: Final = timedelta(days=1)
MINUTE: Final = timedelta(minutes=1)
MIXED: Final = ("pending", "in_progress", "pending", "successful", "failed")
# Three readable jobs in three companies, and three finished ones; the last has expired.
DEMO: Final = (
    Plan(HEADQUARTERS, 120, "pending", 4 * MINUTE, ("pending",)),
    Plan(SUBSIDIARY, 130, "in_progress", 9 * MINUTE, MIXED),
    Plan(BRANCH, 50, "pending", 2 * MINUTE, ("pending",), (nanoseconds,)),
    Plan(HEADQUARTERS, 30, "completed", DAY, ("successful",)),
    Plan(HEADQUARTERS, 24, "completed_with_errors", 2 * DAY, ("successful", "successful", "failed")),
    Plan(SUBSIDIARY, 12, "in_progress", 3 * DAY, ("pending", "in_progress", "successful")),
)
# Everything else that Pleo's schemas allow.
VARIETY: Final = (
    Plan(
        None, len(VARIED), "in_progress", 5 * MINUTE, ("pending",), (members_absent,),
        {"isInteractive": False, "createdBy": None, "expiresIn": 86_400}, VARIED,
    ),
    Plan(None, len(KINDS), "pending", 3 * MINUTE, ("pending",), (without_vendors,), {"createdBy": None}),
    Plan(None, 2, "in_progress", 2 * MINUTE, ("pending", "on_hold"), (), {"expiresIn": 2**31 - 1}),
    Plan(None, 0, "pending", MINUTE, ("pending",)),
    Plan(HEADQUARTERS, 36, "completed_with_errors", DAY, ("failed",), (every_failure,)),
    Plan(HEADQUARTERS, 3, "completed", 2 * DAY, ("successful",), (empty_texts,)),
    Plan(HEADQUARTERS, 3, "failed", 3 * DAY, ("failed",), (unknown_reasons,)),
    Plan(HEADQUARTERS, 2, "completed", 4 * DAY, ("successful", "on_hold"), (), {"status": "archived"}),
    *(
        Plan(HEADQUARTERS, 1, "failed", number * DAY, ("pending",), (), {"failureReasonType": reason})
        for number, reason in enumerate(JOB_FAILURES, 5)
    ),
)  # fmt: skip
# More jobs, and more items in a job, than fit on the largest page.
CROWDED: Final = (
    Plan(HEADQUARTERS, 1001, "pending", MINUTE, ("pending",)),
    *(Plan(HEADQUARTERS, 0, "completed", number * DAY, ()) for number in range(1, 1001)),
)
# A company spends money; once that is exported, it pays its suppliers and its employees in another job.
SETTLED: Final = Plan(None, len(SPENDING), "pending", 3 * MINUTE, ("pending",), kinds=SPENDING, then=settle)
# Once the job has ended, cancelled or not, some of its entries are exported again with other amounts.
REPEATED: Final = Plan(None, 8, "pending", 2 * MINUTE, ("pending",), kinds=(Kind("card_purchase"),), then=export_again)
WORLDS: Final[Mapping[str, Sequence[Plan]]] = {
    "empty": (),
    "demo": DEMO,
    "varied": VARIETY,
    "crowded": CROWDED,
    "settled": (SETTLED,),
    "settled_other_signs": (SETTLED._replace(negative_types=OTHER_SIGNS),),
    "repeated": (REPEATED,),
}


def populate(pleo: World, name: str) -> None:
    """Add the jobs of a world; unfinished items of expired jobs are abandoned."""
    for plan in WORLDS[name]:
        pleo.negative_types = plan.negative_types
        job = pleo.add_job(
            items=plan.items,
            status=plan.status,
            company_id=plan.company_id,
            created_at=pleo.now() - plan.age,
            item_status=plan.item_status,
            kinds=plan.kinds,
        )
        for number, (entry, status) in enumerate(job.item_statuses.items()):
            job.outcomes[entry] = _outcome(status, number, job.record["lastUpdatedAt"])
        job.record |= plan.record
        if plan.then is not None:
            pleo.afterwards[job.id] = plan.then
        for variety in plan.variety:
            variety(job)
        require("ExportJobV3", job.record)
        job.expire(pleo.now())


def _outcome(status: str, number: int, at: str) -> dict[str, str]:
    """Return the members that an integration would have set for an item with this status."""
    if status == "successful":
        return {"externalId": f"JE-{number:05}", "externalUrl": f"https://erp.example/JE-{number:05}", "exportedAt": at}
    if status == "failed":
        return {"failureReasonType": "vendor_unknown", "failureReason": "The vendor is blocked."}
    return {}
