"""Which companies to ask next: rounds that survive restarts, webhooks first, backoff for failing companies.

No I/O. The state is stored as JSON in the sensor's cursor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from dagster_pleo_export.discovery import DiscoveryResult
    from tap_pleo_export.api.jobs import ExportJob

FIRST_BACKOFF = 60.0
MAX_BACKOFF = 1800.0
# Of a company that probably has a job to load, for about the hour that the job lives.
URGENT_BACKOFF = 300.0
URGENT_FAILURES = 14
# Until a company with an open job is asked again, although its round is over.
OPEN_SECONDS = 60.0
# A tick may come slightly early: the round would wait for the next one.
JITTER = 0.5


class FailingCompany(Struct):
    """A company whose jobs could not be listed.

    Attributes:
        count: Failures in a row.
        until: When it is asked again, seconds since the epoch.
        why: The last failure.
    """

    count: int
    until: float
    why: str


class PendingJob(Struct):
    """A readable job without a complete load; times in seconds since the epoch."""

    job: str
    created: float | None
    expires: float | None


class DiscoveryState(Struct):
    """The progress of discovery.

    Attributes:
        started: When the last round began, seconds since the epoch.
        left: Companies that the round has not asked yet, those that have waited longest first; empty: it is complete.
        overdue: Whether the next round began before the last one was complete.
        delivery: The last webhook delivery that was handled.
        lost: Recent runs that were lost, whose companies have been asked about again.
        failing: Companies whose jobs could not be listed.
        open: Companies with readable jobs that have no complete load yet.
        urgent: Companies to ask regardless of rounds, and when: those named by a webhook until their jobs have been
            listed, and those with an open job.
        left_out: The problems of companies and credentials that are left out, already logged.
    """

    started: float = 0.0
    left: list[str] = field(default_factory=list)
    overdue: bool = False
    delivery: int = 0
    lost: list[str] = field(default_factory=list)
    failing: dict[str, FailingCompany] = field(default_factory=dict)
    open: dict[str, list[PendingJob]] = field(default_factory=dict)
    urgent: dict[str, float] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def from_cursor(cls, cursor: str | None) -> DiscoveryState:
        """Read a cursor; an unreadable one starts a new round."""
        try:
            return msgspec.json.decode(cursor or "{}", type=cls)
        except msgspec.MsgspecError:
            return cls()

    def to_cursor(self) -> str:
        """Return the state as a cursor."""
        return msgspec.json.encode(self).decode()

    def retain(self, companies: Iterable[str]) -> None:
        """Forget companies that have left the fleet."""
        known = set(companies)
        self.failing = {name: value for name, value in self.failing.items() if name in known}
        self.open = {name: value for name, value in self.open.items() if name in known}
        self.urgent = {name: value for name, value in self.urgent.items() if name in known}

    def new_problems(self, problems: Iterable[str]) -> list[str]:
        """Record the problems of entries that are left out; return those that are new."""
        known, self.left_out = set(self.left_out), list(problems)
        return [problem for problem in self.left_out if problem not in known]

    def new_losses(self, lost: Mapping[str, str]) -> list[str]:
        """Record the lost runs, companies by run id; return the companies of those that are new."""
        known, self.lost = set(self.lost), sorted(lost)
        return sorted({company for run, company in lost.items() if run not in known})

    def next(
        self,
        companies: Iterable[str],
        hinted: Iterable[str],
        now: float,
        interval: float,
        busy: Collection[str] = (),
    ) -> list[str]:
        """Return the companies to ask, in order; start a new round if it is time, with what the last one left first.

        Args:
            companies: All companies, in order.
            hinted: Companies named by webhooks: they come first, regardless of their backoff.
            now: Seconds since the epoch.
            interval: Seconds between the starts of two rounds.
            busy: Companies with a queued or running run: their open jobs wait for its end.
        """
        names = dict.fromkeys(companies)
        named = [name for name in hinted if name in names]
        due = [name for name, at in self.urgent.items() if at <= now and not (name in self.open and name in busy)]
        due.sort(key=self.urgent.__getitem__)
        self.urgent.update(dict.fromkeys(named, now))
        first = dict.fromkeys([*named, *due])
        if now - self.started >= interval - JITTER:
            self.overdue = bool(self.left)
            self.started, self.left = now, list(dict.fromkeys([*self.left, *names]))
        rest = [name for name in self.left if name in names and name not in first and not self._waits(name, now)]
        return [*first, *rest]

    def finished(self, asked: Iterable[str], wanted: Iterable[str]) -> bool:
        """Record the companies still to ask; return whether a round is over: complete, or late when the next one began.

        Args:
            asked: The companies that were asked.
            wanted: The companies that :meth:`next` returned.
        """
        done = set(asked)
        was_open, was_overdue, self.overdue = bool(self.left), self.overdue, False
        for name in done.difference(self.failing, self.open):
            self.urgent.pop(name, None)
        # Also companies named by webhooks that there was no time for.
        self.left = [name for name in wanted if name not in done]
        return was_open and (was_overdue or not self.left)

    def record(self, result: DiscoveryResult, unloaded: Iterable[ExportJob], now: float, interval: float) -> bool:
        """Record a result; return whether the company has started to fail, or fails for a new reason.

        Args:
            result: The result.
            unloaded: Its jobs without a complete load.
            now: Seconds since the epoch.
            interval: Seconds between two rounds.
        """
        name = result.company
        if result.failure is None:
            jobs = [PendingJob(job.id, _epoch(job.created_at), _epoch(job.expires_at)) for job in unloaded]
            self.failing.pop(name, None)
            self.open.pop(name, None)
            if jobs:
                self.open[name], self.urgent[name] = jobs, now + OPEN_SECONDS
            return False
        before = self.failing.get(name)
        count = before.count + 1 if before else 1
        until = now + max(self._backoff(name, count, interval), result.wait)
        self.failing[name] = FailingCompany(count, until, result.failure)
        if name in self.urgent:
            self.urgent[name] = until
        return before is None or before.why != result.failure

    def _backoff(self, name: str, count: int, interval: float) -> float:
        """Return the seconds to wait after so many failures in a row."""
        if count > URGENT_FAILURES:
            self.urgent.pop(name, None)
        doublings = 2.0 ** min(count - 1, 16)
        if name in self.urgent:
            return min(URGENT_BACKOFF, FIRST_BACKOFF * doublings)
        return min(MAX_BACKOFF, max(FIRST_BACKOFF, interval) * doublings)

    def late(self, now: float, minutes: float) -> dict[str, PendingJob]:
        """Return the oldest pending job of each company that is late."""
        limit = now - minutes * 60
        late = {}
        for name, jobs in self.open.items():
            old = [job for job in jobs if job.created is not None and job.created < limit]
            if old:
                late[name] = min(old, key=lambda job: job.created or 0.0)
        return late

    def _waits(self, name: str, now: float) -> bool:
        return name in self.failing and self.failing[name].until > now


def _epoch(time: datetime | None) -> float | None:
    return time.timestamp() if time else None
