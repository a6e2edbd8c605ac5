"""Items summed up by job and by cause, and the ones that are shown; memory does not grow with their number."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tap_pleo_export.blocked_report.causes import reported
from tap_pleo_export.blocked_report.item import Item, Job
from tap_pleo_export.blocked_report.money import Sums, add, size

if TYPE_CHECKING:
    from datetime import datetime

    from tap_pleo_export.blocked_report.causes import Cause

State = Literal["ready", "blocked", "unchecked", "recorded", "refused"]
STATES: tuple[State, ...] = ("ready", "blocked", "unchecked", "recorded", "refused")
"""What becomes of an item: `refused` ones were reported as failed earlier and not read again."""

FINAL = frozenset({"completed", "completed_with_errors", "failed"})
"""Statuses of jobs that have ended."""

MOST_BLOCKED = 5000
MOST_READY = 1000
MOST_CAUSES = 2000
"""Causes that are told apart; a hostile check may make one of each item."""


@dataclass
class Group:
    """How many items, and how much money."""

    items: int = 0
    sums: Sums = field(default_factory=dict)

    def add(self, item: Item) -> None:
        """Count an item."""
        self.items += 1
        if item.minor is not None:
            add(self.sums, item.currency, item.minor)


@dataclass
class JobGroup:
    """The items of a job, by what becomes of them."""

    job: Job
    by_state: dict[State, Group] = field(default_factory=lambda: {state: Group() for state in STATES})

    def __getitem__(self, state: State) -> Group:
        """Return the items of a state."""
        return self.by_state[state]

    @property
    def items(self) -> int:
        """How many items are known."""
        return sum(group.items for group in self.by_state.values())


class Largest:
    """The items with the largest amounts.

    Args:
        most: How many of them are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[Decimal, int, Item]] = []
        self.seen = 0

    def add(self, item: Item) -> None:
        """Take an item; of equal amounts the earlier one stays."""
        self.seen += 1
        amount = Decimal(-1) if item.minor is None else size(item.minor, item.currency)
        entry = (amount, -self.seen, item)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        elif entry > self._heap[0]:
            heapq.heapreplace(self._heap, entry)

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator of items
        """Yield them, the largest first."""
        return (item for *_, item in sorted(self._heap, reverse=True))


class Summary:
    """What the report says; items are added one by one, in their order.

    Args:
        jobs: The jobs that are known, in the order of the report.
        ended: Number of jobs that are left out because they have ended.
        unreadable: Records that could not be read, for they have no ids.
        as_of: Moment of the newest record, if any tells.

    Attributes:
        causes: What is wrong, with the items that it concerns.
        further: Items whose cause is one too many.
    """

    def __init__(self, jobs: list[Job], *, ended: int = 0, unreadable: int = 0, as_of: datetime | None = None) -> None:
        self.jobs = {job.id: JobGroup(job) for job in jobs}
        self.causes: dict[Cause, Group] = {}
        self.further = Group()
        self.blocked = Largest(MOST_BLOCKED)
        self.ready = Largest(MOST_READY)
        self.totals = JobGroup(Job(""))
        self.ended = ended
        self.unreadable = unreadable
        self.as_of = as_of

    def add(self, item: Item) -> State:
        """Count an item, and return what becomes of it."""
        state = state_of(item)
        job = self.jobs.get(item.job)
        if job is None:
            job = self.jobs[item.job] = JobGroup(Job(item.job, item.company))
        job[state].add(item)
        self.totals[state].add(item)
        if state == "blocked":
            self.blocked.add(item)
        elif state == "ready":
            self.ready.add(item)
        if state in {"blocked", "ready"}:
            for cause in item.causes:
                if cause not in self.causes and len(self.causes) < MOST_CAUSES:
                    self.causes[cause] = Group()
                self.causes.get(cause, self.further).add(item)
        return state

    def add_unread(self, job_id: str, status: str, items: int) -> None:
        """Count job items of which no export item was read: those that are through, and those that were refused."""
        state: State | None = {"successful": "recorded", "failed": "refused"}.get(status)  # type: ignore[assignment]
        job = self.jobs.get(job_id)
        if state and job:
            job[state].items += items
            self.totals[state].items += items

    def ranked(self, *, blocking: bool = True) -> list[tuple[Cause, Group]]:
        """Return the causes, the one that concerns most items first."""
        found = [(cause, group) for cause, group in self.causes.items() if cause.blocking == blocking]
        return sorted(found, key=lambda pair: (-pair[1].items, pair[0].kind, pair[0].subject, pair[0].detail))


def state_of(item: Item) -> State:
    """Return what becomes of an item."""
    if item.status == "successful":
        return "recorded"
    if item.verdict == "failed" or item.status == "failed":
        return "blocked"
    return "ready" if item.verdict else "unchecked"


def with_status(item: Item, status: str, kind: str, reason: str) -> Item:
    """Return an item with what Pleo lists of it: a refusal is a cause where the checks found none."""
    causes = item.causes
    if status == "failed" and item.verdict != "failed":
        causes = (*causes, reported(kind, reason))
    return msgspec.structs.replace(item, status=status or item.status, causes=causes)


def has_ended(job: Job) -> bool:
    """Return whether nothing can be done about a job any more."""
    return job.expired or job.status in FINAL
