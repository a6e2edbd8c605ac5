"""Random worlds: a company whose entries are exported, exported again, cancelled, expired and booked by others."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sandbox import Job, Sandbox
from sandbox.items import make_items
from sandbox.jobs import RUNNING
from sandbox.kinds import Kind

AMOUNTS = (11900, 11900, 500, -700, 0)
BEHIND = timedelta(hours=1)
"""How far the sandbox's clock is behind: a job that expires earlier is over for the models and still open in Pleo."""
LONG, PAST = 10 * 86_400, 60
"""Lifetimes of jobs in seconds, the second ends in the past."""
ALREADY_FAILED = {
    "status": "failed", "failureReasonType": "vendor_unknown", "failureReason": "Vendor unknown",
}  # fmt: skip


def behind() -> datetime:
    """Return the moment on the sandbox's clock."""
    return datetime.now(UTC) - BEHIND


class WalkedWorld:
    """A company of a sandbox, and its events.

    Attributes:
        company: Its id.
        rng: Draws the events; the same seed and number repeat them.
        log: Past events, for messages.
    """

    def __init__(self, pleo: Sandbox, seed: object, number: int) -> None:
        """Start with one export job."""
        self.rng = Random(f"{seed} {number}")  # noqa: S311 - repeatable, no secret
        self.log: list[str] = []
        self._pleo = pleo
        self.company = str(UUID(int=self.rng.getrandbits(128), version=4))
        pleo.add_job(items=0, company_id=self.company, status="completed")
        (self._model,) = make_items(self.rng, pleo.companies[self.company], 1, pleo.now(), [Kind("card_purchase")])
        self._items: dict[str, dict[str, Any]] = {}
        self.jobs: list[Job] = []
        self.export()

    def happen(self, *events: Callable[[], None]) -> None:
        """Let one of these events happen."""
        event = self.rng.choice(events)
        self.log.append(event.__name__)
        event()

    def export(self) -> None:
        """Add a job with new entries and with some of earlier jobs, the latter with changes or without."""
        rng = self.rng
        again = rng.sample(sorted(self._items), rng.randint(0, min(3, len(self._items))))
        items = [self._delivered(entry) for entry in again]
        items += [self._delivered() for _ in range(rng.randint(0 if items else 1, 2))]
        started = rng.random() < 0.5
        job = self._pleo.add_job(
            items=items,
            company_id=self.company,
            status="in_progress" if started else "pending",
            created_at=self._pleo.now() - BEHIND / 2 + timedelta(seconds=len(self.jobs)),
            expires_in=PAST if rng.random() < 0.15 else LONG,
        )
        self.jobs.append(job)

    def grow(self) -> None:
        """Add an item to a running job."""
        if job := self._running():
            known = {entry.lower() for entry in job.item_statuses}
            item = self._delivered(self.rng.choice(sorted({*self._items} - known) or [None]))
            job.items.append(item)
            job.item_statuses[item["accountingEntryId"]] = "pending"
            job.record["numberOfItems"] += 1

    def cancel(self) -> None:
        """Let a user cancel a job."""
        if job := self._running():
            self._pleo.cancel(job)

    def expire(self) -> None:
        """Let a job expire."""
        if job := self._running():
            job.record["expiresIn"] = 0
            job.expire(self._pleo.now())

    def other_item(self) -> None:
        """Let another integration report an item."""
        job = self._running()
        if job and (left := [entry for entry, status in job.item_statuses.items() if status in RUNNING]):
            booked = {"status": "successful", "externalId": f"X-{len(self.log)}"}
            job.update(self.rng.choice(left), self.rng.choice([booked, booked, ALREADY_FAILED]), self._pleo.now())

    def other_job(self) -> None:
        """Let another integration report and complete a job."""
        if job := self._running():
            job.finish_elsewhere(self._pleo.now())

    def nothing(self) -> None:
        """Let nothing happen."""

    def _running(self) -> Job | None:
        running = [job for job in self.jobs if job.running]
        return self.rng.choice(running) if running else None

    def _delivered(self, entry: str | None = None) -> dict[str, Any]:
        """Return an item of a new or known entry, as it is or with another amount, category or spelling of its id."""
        rng = self.rng
        item = copy.deepcopy(self._items.get(entry or "", self._model))
        line = item["accountingEntryLines"][0]
        if entry is None:
            entry = str(UUID(int=rng.getrandbits(128), version=4))
            if rng.random() < 0.3:
                vendor = {"id": item["companyId"], "name": "Nordlys", "code": "V-1", "country": "DK"}
                item |= {"bookkeeping": {"method": "accounts_payable"}, "vendor": vendor}
        if entry not in self._items or rng.random() < 0.5:
            money = {"currency": item["amount"]["inWalletCurrency"]["currency"], "value": rng.choice(AMOUNTS)}
            amount = {"inSupplierCurrency": money, "inWalletCurrency": money}
            line |= {"lineAmount": amount, "netAmount": amount, "tax": None}
            line["account"] = None if rng.random() < 0.25 else self._model["accountingEntryLines"][0]["account"]
            item["amount"] = amount
        self._items[entry] = item
        return item | {"accountingEntryId": entry.upper() if rng.random() < 0.2 else entry}
