"""What jobs and their control layer do in the worlds, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.conformance import definition

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.jobs import Job

JOB_FAILURES: Final[tuple[str, ...]] = tuple(definition("ExportJobFailureReasonType")["enum"])
ITEM_FAILURES: Final[tuple[str, ...]] = tuple(definition("ExportJobItemFailureReasonType")["enum"])


def nanoseconds(job: Job) -> None:
    """A creation time with nine fractional digits."""
    job.record["createdAt"] = job.record["createdAt"][:-1] + ".123456789Z"


def members_absent(job: Job) -> None:
    """Absent members instead of nulls, in the job and in its control layer."""
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


JOB_VARIETY: Final[dict[str, Callable[[Job], None]]] = {
    function.__name__: function
    for function in (nanoseconds, members_absent, without_vendors, every_failure, empty_texts, unknown_reasons)
}
