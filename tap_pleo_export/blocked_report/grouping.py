"""Totals by job and by cause, and the items that the page lists. Memory does not grow with the number of items."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import msgspec

from tap_pleo_export.blocked_report.causes import is_fixed_in_pleo, refused
from tap_pleo_export.blocked_report.item import JobItemStatus, ReportItem, ReportJob
from tap_pleo_export.blocked_report.money import Sums, add, booked, in_major_units
from tap_pleo_export.text import parse_time

if TYPE_CHECKING:
    from tap_pleo_export.blocked_report.causes import Cause

State = Literal["ready", "blocked", "unchecked", "recorded", "refused", "unread"]
STATES: dict[State, str] = {
    "ready": "ready",
    "blocked": "blocked",
    "unchecked": "not checked",
    "recorded": "recorded",
    "refused": "refused earlier",
    "unread": "not read",
}
"""States of items, and their names on page, terminal and in the CSV.

Of `refused` and `unread` items only the job item was read: `refused` ones were reported as failed earlier.
"""

Need = Literal["correct", "configure", "check", "record", "export"]
NEEDS: dict[Need, str] = {
    "correct": "to be corrected in Pleo",
    "configure": "to be configured",
    "check": "to be checked",
    "record": "to be recorded and reported",
    "export": "to be exported again",
}
"""Needs of the items that are open in Pleo; `export` is for those of jobs that are over."""

FINAL_STATUSES = frozenset({"completed", "completed_with_errors", "failed"})
"""Statuses of jobs that have ended."""

ABANDONED = "abandoned"
"""Status of a job item that its job left unfinished."""

MAX_BLOCKED = 5000
"""Blocked items that the page lists."""
MAX_READY = 1000
"""Ready items that the page lists."""
MAX_CAUSES = 2000
"""Causes that are counted separately. A badly written check may produce one per item."""


@dataclass
class Total:
    """Number of items, and their money in whole cents."""

    items: int = 0
    sums: Sums = field(default_factory=dict)

    def add(self, item: ReportItem) -> None:
        """Count an item."""
        self.items += 1
        if item.minor is not None:
            add(self.sums, item.currency, booked(item.minor))


@dataclass
class JobTotals:
    """The items of a job, by state and by need, and the number of those that count for another job (`elsewhere`)."""

    job: ReportJob
    by_state: dict[State, Total] = field(default_factory=lambda: {state: Total() for state in STATES})
    needs: Counter[Need | None] = field(default_factory=Counter)
    elsewhere: int = 0

    def __getitem__(self, state: State) -> Total:
        """Return the items of a state."""
        return self.by_state[state]

    @property
    def waiting(self) -> list[tuple[int, str]]:
        """Numbers of items and their needs in words."""
        return [(self.needs[need], words) for need, words in NEEDS.items() if self.needs[need]]

    @property
    def items(self) -> int:
        """Number of items in all states."""
        return sum(total.items for total in self.by_state.values())

    @property
    def parts(self) -> list[tuple[State, int]]:
        """States and their numbers of items, which add up to :attr:`items`; ready and blocked even if zero."""
        found = ((state, total.items) for state, total in self.by_state.items())
        return [(state, items) for state, items in found if items or state in {"ready", "blocked"}]


class LargestItems:
    """The items with the largest amounts, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[Decimal, int, ReportItem]] = []
        self._seen = 0

    def add(self, item: ReportItem) -> None:
        """Add an item. Of equal amounts, the earlier one is kept."""
        self._seen += 1
        amount = Decimal(-1) if item.minor is None else abs(in_major_units(item.minor, item.currency))
        entry = (amount, -self._seen, item)
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, entry)
        elif entry > self._heap[0]:
            heapq.heapreplace(self._heap, entry)

    def __iter__(self) -> Iterator[ReportItem]:
        """Yield the items, the largest first."""
        return (item for *_, item in sorted(self._heap, reverse=True))


class Summary:
    """The content of the report.

    Attributes:
        jobs: Totals by job id, in the order of the report.
        ended: Number of jobs left out because they have ended.
        unreadable: Number of records without ids.
        as_of: Time of the newest record, if known.
        other_causes: Items of the causes beyond :data:`MAX_CAUSES`.
        rounded: Number of items with fractions of a cent.
        refused: Number of the items refused earlier, by Pleo's reason.
    """

    def __init__(
        self, jobs: list[ReportJob], *, ended: int = 0, unreadable: int = 0, as_of: datetime | None = None
    ) -> None:
        self.jobs = {job.id: JobTotals(job) for job in jobs}
        self.causes: dict[Cause, Total] = {}
        self.other_causes = Total()
        self.rounded = 0
        self.refused: Counter[str] = Counter()
        self.blocked = LargestItems(MAX_BLOCKED)
        self.ready = LargestItems(MAX_READY)
        self.totals = JobTotals(ReportJob(""))
        self.ended = ended
        self.unreadable = unreadable
        self.as_of = as_of

    def add(self, item: ReportItem) -> State:
        """Count an item and return its state."""
        state = state_of(item)
        self._count(item, state)
        if state in {"blocked", "ready"}:
            (self.blocked if state == "blocked" else self.ready).add(item)
            for cause in item.causes:
                if cause not in self.causes and len(self.causes) < MAX_CAUSES:
                    self.causes[cause] = Total()
                self.causes.get(cause, self.other_causes).add(item)
        return state

    def add_job_item(self, item: ReportItem) -> State:
        """Count a job item without an export item and return its state."""
        states: dict[str, State] = {"successful": "recorded", "failed": "refused"}
        state = states.get(item.status, "unread")
        self._count(item, state)
        for cause in item.causes:
            known = cause.reason in self.refused or len(self.refused) < MAX_CAUSES
            self.refused[cause.reason if known else "Other reasons"] += 1
        return state

    def _count(self, item: ReportItem, state: State) -> None:
        job = self.jobs.setdefault(item.job, JobTotals(ReportJob(item.job, item.company)))
        job[state].add(item)
        job.needs[need_of(job.job, item.status, item.verdict, item.causes)] += 1
        self.totals[state].add(item)
        self.rounded += item.minor is not None and item.minor != booked(item.minor)

    def counts(self) -> dict[str, int]:
        """Return the counts of the run summary: jobs, and items by state."""
        states: dict[str, State] = {
            "passed": "ready",
            "failed": "blocked",
            "recorded": "recorded",
            "refused": "refused",
        }
        counts = {name: self.totals[state].items for name, state in states.items()}
        return {"jobs": len(self.jobs), "items": self.totals.items} | counts

    def ranked(self, *, blocking: bool = True) -> list[tuple[Cause, Total]]:
        """Return the causes, those of most items first."""
        found = [(cause, total) for cause, total in self.causes.items() if cause.blocking == blocking]
        return sorted(found, key=lambda pair: (-pair[1].items, pair[0].kind, pair[0].name, pair[0].currency))


def state_of(item: ReportItem) -> State:
    """Return the state of an item: its outcome in Pleo if there is one, otherwise the verdict."""
    if item.status == "successful":
        return "recorded"
    if item.verdict == "failed" or item.status == "failed":
        return "blocked"
    return "ready" if item.verdict else "unchecked"


def need_of(job: ReportJob, status: str, verdict: str = "", causes: tuple[Cause, ...] = ()) -> Need | None:
    """Return the need of a job item that is not settled in Pleo; None if it is settled."""
    if status == "successful" or job.status == "completed":
        return None
    if job.is_over or status == ABANDONED:
        return "export"
    if status == "failed":
        return None
    if verdict == "failed":
        return "correct" if any(cause.blocking and is_fixed_in_pleo(cause) for cause in causes) else "configure"
    return "record" if verdict else "check"


def with_status(item: ReportItem, listed: JobItemStatus) -> ReportItem:
    """Return an item with the status of its job item. A refusal is a cause if the checks found none."""
    causes = item.causes
    if listed.status == "failed" and item.verdict != "failed":
        causes = (*causes, refused(listed.failure_type, listed.reason))
    return msgspec.structs.replace(item, status=listed.status or item.status, causes=causes)


def without_item(listed: JobItemStatus, company: str = "") -> ReportItem:
    """Return a job item without an export item as an item of which only ids, status and refusal are known."""
    causes = (refused(listed.failure_type, listed.reason),) if listed.status == "failed" else ()
    return ReportItem(listed.job, listed.entry, company, listed.status, causes=causes)


def is_listed_as_ended(job: ReportJob) -> bool:
    """Return whether Pleo listed a job as ended when it was read."""
    return job.expired or job.status in FINAL_STATUSES


def has_ended(job: ReportJob, now: datetime) -> bool:
    """Return whether a job can no longer be written to: it is listed as ended, or has passed its expiry since."""
    expires = parse_time(job.expires)
    return is_listed_as_ended(job) or (expires is not None and expires <= now)
