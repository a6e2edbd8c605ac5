"""Who is asked next: rounds over all companies that survive restarts, webhooks first, failing companies backed off.

Pure. What is to be remembered is the sensor's cursor, JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleet.discovery import Look, Seen

FIRST_BACKOFF = 60.0
LONGEST_BACKOFF = 1800.0


class Failing(Struct):
    """A company that could not be asked: how often in a row, when it is asked again (seconds since the epoch), why."""

    count: int
    until: float
    why: str


class Open(Struct):
    """A readable job that has no complete load yet; times in seconds since the epoch."""

    job: str
    created: float | None
    expires: float | None


class Rounds(Struct):
    """Where discovery stands.

    Attributes:
        started: When the last round began, seconds since the epoch.
        after: The last company that it has asked; None: it has asked all.
        delivery: The last webhook delivery that was taken notice of.
        failing: Companies that could not be asked.
        open: Companies with readable jobs that have no complete load yet.
    """

    started: float = 0.0
    after: str | None = None
    delivery: int = 0
    failing: dict[str, Failing] = field(default_factory=dict)
    open: dict[str, list[Open]] = field(default_factory=dict)

    @classmethod
    def from_cursor(cls, cursor: str | None) -> Rounds:
        """Read a cursor; one that cannot be read starts afresh, which costs a round."""
        try:
            return msgspec.json.decode(cursor or "{}", type=cls)
        except msgspec.MsgspecError:
            return cls()

    def to_cursor(self) -> str:
        """Return it as a cursor."""
        return msgspec.json.encode(self).decode()

    def keep(self, companies: Iterable[str]) -> None:
        """Forget companies that are no longer there."""
        known = set(companies)
        self.failing = {name: value for name, value in self.failing.items() if name in known}
        self.open = {name: value for name, value in self.open.items() if name in known}

    def next(self, companies: Iterable[str], hinted: Iterable[str], now: float, interval: float) -> list[str]:
        """Return the companies to be asked, in order; a round is begun where it is time.

        Args:
            companies: All companies, in order.
            hinted: Those that a webhook named: first, and whatever their backoff.
            now: Seconds since the epoch.
            interval: Seconds between the beginnings of two rounds.
        """
        names = list(companies)
        first = [name for name in dict.fromkeys(hinted) if name in set(names)]
        if self.after is None and now - self.started < interval:
            return first
        if self.after is None:
            self.started, self.after = now, ""
        done = {*first}
        rest = [name for name in names if name > self.after and name not in done and not self._waits(name, now)]
        return first + rest

    def finished(self, asked: Iterable[str], wanted: Iterable[str]) -> bool:
        """Note how far a round has come; return whether it has asked all.

        Args:
            asked: The companies that were asked.
            wanted: Those that :meth:`next` returned.
        """
        if self.after is None:
            return False
        done = set(asked)
        left = [name for name in wanted if name not in done]
        if not left:
            self.after = None
            return True
        # What was asked beyond the first that was not is asked again: rare, and better than left out.
        self.after = max((name for name in done if name < min(left)), default=self.after)
        return False

    def note(self, look: Look, uncovered: Iterable[Seen], now: float, interval: float) -> bool:
        """Note what was found; return whether the company has begun to fail.

        Args:
            look: What was found.
            uncovered: Its jobs that have no complete load.
            now: Seconds since the epoch.
            interval: Seconds between two rounds.
        """
        if look.failure is None:
            self.failing.pop(look.company, None)
            jobs = [Open(job.id, _epoch(job.created_at), _epoch(job.expires_at)) for job in uncovered]
            self.open.pop(look.company, None)
            if jobs:
                self.open[look.company] = jobs
            return False
        before = self.failing.get(look.company)
        count = before.count + 1 if before else 1
        backoff = min(LONGEST_BACKOFF, max(FIRST_BACKOFF, interval) * 2.0 ** min(count - 1, 16))
        self.failing[look.company] = Failing(count, now + max(backoff, look.wait), look.failure)
        return before is None or before.why != look.failure

    def late(self, now: float, minutes: float) -> dict[str, Open]:
        """Return the oldest open job of each company that is late."""
        limit = now - minutes * 60
        late = {}
        for name, jobs in self.open.items():
            old = [job for job in jobs if job.created is not None and job.created < limit]
            if old:
                late[name] = min(old, key=lambda job: job.created or 0.0)
        return late

    def _waits(self, name: str, now: float) -> bool:
        return name in self.failing and self.failing[name].until > now


def _epoch(time: object) -> float | None:
    stamp = getattr(time, "timestamp", None)
    return float(stamp()) if stamp else None
