"""Export jobs as the target knows them, and the outcomes to report: item updates and job events. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

from tap_pleo_export.api.entry_keys import key_of
from tap_pleo_export.api.jobs import ENDED_STATUSES
from tap_pleo_export.text import one_line

STARTED = "started"
FAILED = "failed"
COMPLETED = "completed"
COMPLETED_WITH_ERRORS = "completed_with_errors"
COMPLETIONS = (COMPLETED, COMPLETED_WITH_ERRORS)
# The job status that follows an event.
STATUS_AFTER = {STARTED: "in_progress"} | {event: event for event in (FAILED, *COMPLETIONS)}
SUCCESSFUL = "successful"
ABANDONED = "abandoned"
FINAL_STATUSES = frozenset({SUCCESSFUL, "failed", ABANDONED})


@dataclass(frozen=True, slots=True)
class ItemUpdate:
    """The outcome of one export job item (OpenAPI schema ``UpdateExportJobItemV3``).

    Attributes:
        job_id: The export job's id, in lower case.
        entry_id: The accounting entry's id, as received.
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
    """An event of an export job (OpenAPI schema ``CreateExportJobEvent``); line 0 means that the target created it."""

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


class ItemOutcome(NamedTuple):
    """An item's status and ``externalId``."""

    status: str | None
    external_id: str | None = None

    def __str__(self) -> str:
        """Return it for a message, on one line."""
        return one_line(f"'{self.status}'" + (f" with externalId '{self.external_id}'" if self.external_id else ""))


class Comparison(Enum):
    """How an update compares with Pleo's outcome of the item."""

    OPEN = "the item is not final: send the update"
    REPORTED = "Pleo has the same outcome already"
    CONFLICT = "Pleo has another outcome"


@dataclass(slots=True)
class ReportedJob:
    """An export job and the known outcomes of its items, by the entry's key.

    Attributes:
        id: Its id, in lower case.
        status: Its status; None if Pleo does not know the job.
        failure: ``failureReasonType``, if any.
        started: Whether it was ever started.
        closed: Whether this run writes nothing more to it.
        assumed: Outcomes that a dry run assumes for items still open in Pleo.
        sent: Updates of this run that Pleo's answers confirm.
    """

    id: str
    status: str | None
    number_of_items: int | None = None
    failure: str | None = None
    started: bool = False
    closed: bool = False
    items: dict[bytes, ItemOutcome] = field(default_factory=dict)
    assumed: dict[bytes, ItemOutcome] = field(default_factory=dict)
    sent: dict[bytes, ItemUpdate] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether Pleo accepts no more updates."""
        return self.status is None or self.status in ENDED_STATUSES

    @property
    def writable(self) -> bool:
        """Whether this run may still write to it."""
        return not (self.ended or self.closed)

    @property
    def unlisted(self) -> int:
        """Number of items that the control layer does not list."""
        return max(0, (self.number_of_items or 0) - len(self.items))

    def set_items(self, items: Iterable[tuple[str, ItemOutcome]]) -> None:
        """Store the control layer: entry ids and outcomes."""
        # Most items have no externalId: they share one outcome per status.
        shared: dict[ItemOutcome, ItemOutcome] = {}
        for entry_id, outcome in items:
            key = key_of(entry_id)
            if key in self.assumed and outcome.status not in FINAL_STATUSES:
                continue
            self.items[key] = shared.setdefault(outcome, outcome) if outcome.external_id is None else outcome

    def compare(self, update: ItemUpdate) -> Comparison:
        """Compare an update with Pleo's outcome of its item."""
        outcome = self.items.get(update.key)
        if outcome is None or outcome.status not in FINAL_STATUSES:
            return Comparison.OPEN
        if self.ended and outcome.status == ABANDONED:
            # Pleo abandoned it when the job ended: no other outcome was reported.
            return Comparison.OPEN
        if outcome.status != update.status:
            return Comparison.CONFLICT
        if outcome.external_id and update.external_id and outcome.external_id != update.external_id:
            return Comparison.CONFLICT
        return Comparison.REPORTED

    def accept(self, update: ItemUpdate, external_id: str | None = None) -> None:
        """Note that Pleo accepted an update, and with which ``externalId`` if the answer has one."""
        self.items[update.key] = ItemOutcome(update.status, external_id or update.external_id)

    def assume(self, update: ItemUpdate) -> None:
        """Assume that Pleo accepted an update."""
        self.accept(update)
        self.assumed[update.key] = self.items[update.key]

    def open_items(self) -> int:
        """Return how many items are not final."""
        statuses = self._statuses()
        return statuses.total() - sum(statuses[status] for status in FINAL_STATUSES)

    def completion(self) -> str | None:
        """Return the completion event due; None without items or while any is open or unlisted."""
        if not self.items or self.unlisted or self.open_items():
            return None
        return COMPLETED if self._statuses().keys() == {SUCCESSFUL} else COMPLETED_WITH_ERRORS

    def incomplete(self) -> str:
        """Return why no completion event is due."""
        if self.unlisted:
            return f"Pleo lists {len(self.items)} of its {self.number_of_items} items"
        if not self.items:
            return "it has no items"
        return f"{self.open_items()} of its {len(self.items)} items are still open"

    def _statuses(self) -> Counter[str | None]:
        return Counter(outcome.status for outcome in self.items.values())

    def __str__(self) -> str:
        """Return it for a message, with its status."""
        if self.status is None:
            return f"Export job {self.id} is unknown to Pleo"
        return f"Export job {self.id} is '{self.status}'" + (f" ({self.failure})" if self.failure else "")
