"""What is to be reported: updates of export job items, and job events. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tap_pleo_export.api.entry_keys import key_of

TRY_AGAIN = "The state moves on all the same: mend the cause and run with --full-refresh"
"""What a refusal says: it is final for this run, and nothing that was accepted is sent again by another."""

STARTED = "started"
FAILED = "failed"
COMPLETED = "completed"
COMPLETED_WITH_ERRORS = "completed_with_errors"
COMPLETIONS = (COMPLETED, COMPLETED_WITH_ERRORS)
# The job status that an event leads to.
STATUS_AFTER = {STARTED: "in_progress"} | {event: event for event in (FAILED, *COMPLETIONS)}


@dataclass(frozen=True, slots=True)
class ItemUpdate:
    """The outcome of one export job item (OpenAPI schema ``UpdateExportJobItemV3``).

    Attributes:
        job_id: The export job's id, in lower case.
        entry_id: The accounting entry's id, as it came.
        status: What became of the item.
        details: The other members of the request's body: reasons of a failure, or what is known of the record made.
        line: Where it stood in the input.
    """

    job_id: str
    entry_id: str
    status: Literal["failed", "successful"]
    details: dict[str, str]
    line: int = 0

    @property
    def key(self) -> bytes:
        """What tells it from other items of the job, whatever the case of its id."""
        return key_of(self.entry_id)

    @property
    def external_id(self) -> str | None:
        """The identifier of the record made in the accounting system."""
        return self.details.get("externalId")

    def to_body(self) -> dict[str, str]:
        """Return the member of the request's body."""
        return {"accountingEntryId": self.entry_id, "status": self.status, **self.details}

    def __str__(self) -> str:
        """Return what names it in a message."""
        return f"Line {self.line}: export job {self.job_id}, item {self.entry_id}"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An event of an export job (OpenAPI schema ``CreateExportJobEvent``).

    Attributes:
        job_id: The export job's id, in lower case.
        event: One of :data:`STATUS_AFTER`.
        details: Both reasons with ``failed``, else nothing.
        line: Where it stood in the input; 0 if it is the target's own.
    """

    job_id: str
    event: str
    details: dict[str, str]
    line: int = 0

    def to_body(self) -> dict[str, str]:
        """Return the request's body."""
        return {"jobId": self.job_id, "event": self.event, **self.details}

    def __str__(self) -> str:
        """Return what names it in a message."""
        line = f"Line {self.line}: export" if self.line else "Export"
        return f"{line} job {self.job_id}, event '{self.event}'"
