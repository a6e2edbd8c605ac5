"""Export jobs and their rules: status machine, item statuses, expiry."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from sandbox.problems import ILLEGAL_EVENT, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNNING: Final = frozenset({"pending", "in_progress"})
JOB_STATUSES: Final = ("pending", "in_progress", "failed", "completed", "completed_with_errors")
FINAL_EVENTS: Final = ("completed", "completed_with_errors", "failed")
# event -> (statuses it is allowed from, status it leads to)
TRANSITIONS: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "started": (frozenset({"pending"}), "in_progress"),
    **{event: (frozenset({"in_progress"}), event) for event in FINAL_EVENTS},
}
# status -> statuses a job item may take next; repeating the same one is harmless
ITEM_TRANSITIONS: Final[Mapping[str, frozenset[str]]] = {
    "pending": frozenset({"in_progress", "successful", "failed", "abandoned"}),
    "in_progress": frozenset({"successful", "failed", "abandoned"}),
    "successful": frozenset(),
    "failed": frozenset(),
    "abandoned": frozenset(),
}


def stamp(moment: datetime) -> str:
    """Write a UTC moment as Pleo does, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Job:
    """An export job; its parts may be changed by tests."""

    record: dict[str, Any]  # The job as served (``ExportJobV3``)
    items: list[dict[str, Any]]  # Export items as served (``ExportItemV3`` each), money in cents of the stated currency
    item_statuses: dict[str, str]  # Status of each job item, by accounting entry id
    # What updates have set in addition (``externalId``, reasons ...), by accounting entry id.
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Accounting entry ids, spelled as in ``item_statuses``, whose updates fail.
    locked: set[str] = field(default_factory=set)
    # The same; their updates are neither carried out nor mentioned in the response.
    ignored: set[str] = field(default_factory=set)
    bare_rows: bool = False  # Whether job items omit members without a value, instead of sending null
    _order: list[int] = field(default_factory=list, repr=False)

    @property
    def id(self) -> str:
        """The job's uuid."""
        return str(self.record["id"])

    @property
    def status(self) -> str:
        """The job's status."""
        return str(self.record["status"])

    @property
    def running(self) -> bool:
        """Whether items can be read and updated."""
        return self.status in RUNNING

    @property
    def expires_at(self) -> datetime:
        """When the job expires, unless it is updated before."""
        last: str = self.record.get("lastUpdatedAt") or self.record["createdAt"]
        return datetime.fromisoformat(last) + timedelta(seconds=self.record["expiresIn"])

    def shuffled(self) -> list[dict[str, Any]]:
        """Return the items in another order, the same on each call."""
        if len(self._order) != len(self.items):
            self._order = list(range(len(self.items)))
            Random(self.id).shuffle(self._order)
        return [self.items[index] for index in self._order]

    def row(self, entry_id: str) -> dict[str, Any]:
        """Return one job item (``ExportJobItemV3``)."""
        row = {
            "exportJobId": self.id,
            "accountingEntryId": entry_id,
            "status": self.item_statuses[entry_id],
            "externalId": None,
            "externalUrl": None,
            "failureReasonType": None,
            "failureReason": None,
            "exportedAt": None,
            **self.outcomes.get(entry_id, {}),
        }
        return {name: value for name, value in row.items() if value is not None} if self.bare_rows else row

    def expire(self, now: datetime) -> None:
        """Fail the job, and abandon its unfinished items, if it has expired."""
        if self.running and now >= self.expires_at:
            self.record["expiredAt"] = stamp(self.expires_at)
            self._fail("job_expired", "The job was not updated in time.")

    def apply(self, event: Mapping[str, Any], now: datetime) -> None:
        """Carry out a job event (``CreateExportJobEvent``)."""
        allowed, status = TRANSITIONS[event["event"]]
        if self.status not in allowed:
            raise Problem(*ILLEGAL_EVENT)
        self.finish(status, now, event.get("failureReasonType"), event.get("failureReason"))

    def finish(self, status: str, now: datetime, reason_type: str | None = None, reason: str | None = None) -> None:
        """Set the job's status as an event would, allowed or not."""
        self.record |= {"status": status, "lastUpdatedAt": stamp(now)}
        if status == "in_progress":
            self.record["startedAt"] = stamp(now)
        elif status == "failed":
            self._fail(reason_type, reason)
        else:
            self.record |= {"failureReasonType": reason_type, "failureReason": reason}
        if status in FINAL_EVENTS:
            self.record["completedAt"] = stamp(now)

    def finish_elsewhere(self, now: datetime) -> None:
        """Let another integration report all items as recorded, and complete the job."""
        for entry_id in self.item_statuses:
            self.update(entry_id, {"status": "successful"}, now)
        self.finish("completed", now)

    def update(self, entry_id: str | None, changes: Mapping[str, Any], now: datetime) -> str | None:
        """Carry out one item update (``UpdateExportJobItemV3``), or return the type of its error.

        The entry's id is spelled as in ``item_statuses``; None if unknown.
        """
        if entry_id is None:
            return "ACCOUNTING_ENTRY_DOES_NOT_EXIST"
        current, status = self.item_statuses[entry_id], changes["status"]
        if status != current and status not in ITEM_TRANSITIONS[current]:
            return "EXPORT_ENTRY_STATUS_UPDATE_FAILED"
        if entry_id in self.locked:
            return "ACCOUNTING_ENTRY_UPDATE_FAILED"
        self.item_statuses[entry_id] = status
        known = self.outcomes.setdefault(entry_id, {})
        known |= {name: value for name, value in changes.items() if name not in ("accountingEntryId", "status")}
        self.record["lastUpdatedAt"] = stamp(now)
        return None

    def _fail(self, reason_type: str | None, reason: str | None) -> None:
        self.record |= {"status": "failed", "failureReasonType": reason_type, "failureReason": reason}
        for entry_id, status in self.item_statuses.items():
            if status in RUNNING:
                self.item_statuses[entry_id] = "abandoned"
