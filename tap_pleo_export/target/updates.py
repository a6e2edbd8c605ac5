"""Outcomes to report to Pleo: updates of export job items, and job events. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tap_pleo_export.api.entry_keys import key_of

STARTED = "started"
FAILED = "failed"
COMPLETED = "completed"
COMPLETED_WITH_ERRORS = "completed_with_errors"
COMPLETIONS = (COMPLETED, COMPLETED_WITH_ERRORS)
# The job status that follows an event.
STATUS_AFTER = {STARTED: "in_progress"} | {event: event for event in (FAILED, *COMPLETIONS)}


@dataclass(frozen=True, slots=True)
class ItemUpdate:
    """The outcome of one export job item (OpenAPI schema ``UpdateExportJobItemV3``).

    Attributes:
        job_id: The export job's id, in lower case.
        entry_id: The accounting entry's id, as received.
        status: The outcome.
        details: The other members of the request body: failure reasons, or the record in the accounting system.
        line: Its line in the input.
    """

    job_id: str
    entry_id: str
    status: Literal["failed", "successful"]
    details: dict[str, str]
    line: int = 0

    @property
    def key(self) -> bytes:
        """The item's key within its job; ids compare case-insensitively."""
        return key_of(self.entry_id)

    @property
    def external_id(self) -> str | None:
        """The record's identifier in the accounting system."""
        return self.details.get("externalId")

    def to_body(self) -> dict[str, str]:
        """Return its element of the request body."""
        return {"accountingEntryId": self.entry_id, "status": self.status, **self.details}

    def __str__(self) -> str:
        """Return its name for messages."""
        return f"Line {self.line}: export job {self.job_id}, item {self.entry_id}"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An event of an export job (OpenAPI schema ``CreateExportJobEvent``).

    Attributes:
        job_id: The export job's id, in lower case.
        event: One of :data:`STATUS_AFTER`.
        details: Both reasons with ``failed``, otherwise empty.
        line: Its line in the input; 0 if the target created it.
    """

    job_id: str
    event: str
    details: dict[str, str]
    line: int = 0

    def to_body(self) -> dict[str, str]:
        """Return the request body."""
        return {"jobId": self.job_id, "event": self.event, **self.details}

    def __str__(self) -> str:
        """Return its name for messages."""
        line = f"Line {self.line}: export" if self.line else "Export"
        return f"{line} job {self.job_id}, event '{self.event}'"
