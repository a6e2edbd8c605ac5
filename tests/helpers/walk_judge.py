"""Judge of the outbox in plain Python: from the loaded records to the update of each open job item."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.jobs import RUNNING
from tests.helpers.voucher_model import Delivery, Entry

Update = tuple[str, str, str, str | None]
"""Job, entry, status and external id."""


@dataclass
class WalkedEntry(Entry):
    """An entry, with its statuses in Pleo.

    Attributes:
        documents: Of its vouchers, each with the same versions.
        sources: The job of the delivery that each booking is made of, by version.
        results: Place in time and external id of each recorded voucher, by document and version.
        successes: External id by job, where Pleo calls the entry successful.
    """

    documents: tuple[str, ...] = ("expense",)
    sources: dict[int, int] = field(default_factory=dict)
    results: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    successes: dict[int, str | None] = field(default_factory=dict)

    @property
    def deciding(self) -> Delivery | None:
        """The latest delivery that counts."""
        return next((self.deliveries[job] for job in sorted(self.deliveries, reverse=True) if self._counts(job)), None)

    def _counts(self, job: int) -> bool:
        return self.deliveries[job].counts

    def build(self) -> None:
        """Publish as a build does, and remember the job of a new booking."""
        before = len(self.vouchers)
        super().build()
        if len(self.vouchers) > before and self.booked is not None:
            latest = [self.deliveries[job] for job in sorted(self.deliveries, reverse=True)]
            bookable = [delivery for delivery in latest if delivery.verdict == "booked" and delivery.amount]
            bookable.sort(key=lambda delivery: delivery.status != "successful")
            source = self.deciding if self.deciding and self.deciding.books else bookable[0]
            self.sources[len(self.vouchers)] = source.job

    def reported(self) -> dict[int, str | None]:
        """Return the versions that another integration reported, with its external ids."""
        ours = {external_id for _, external_id in self.results.values()}
        found: dict[int, str | None] = {}
        for job, external_id in sorted(self.successes.items()):
            if self.sources and external_id not in ours:
                known = max((source for source in self.sources.values() if source <= job), default=None)
                version = min(v for v, source in self.sources.items() if known in {None, source})
                found.setdefault(version, external_id)
        return found

    def to_book(self) -> set[tuple[str, int]]:
        """Return the current bookings that are to be recorded, by document and version."""
        if self.booked is None or len(self.vouchers) in self.reported():
            return set()
        return {(name, len(self.vouchers)) for name in self.documents} - self.results.keys()

    def record(self, document: str, version: int, place: int, external_id: str) -> None:
        """Record a voucher."""
        self.recorded.add(version)
        self.results[document, version] = place, external_id

    def outcome(self, own: Delivery) -> tuple[str, str | None] | None:
        """Return status and external id for a delivery's open item; None while it waits."""
        deciding = self.deciding
        if self.booked is not None and not self.to_book():
            done = [self.results.get((name, len(self.vouchers))) for name in self.documents]
            known = [result for result in done if result]
            return "successful", min(known)[1] if known else self.reported()[len(self.vouchers)]
        if self.booked is None and deciding and deciding.status != "failed" and _is_nothing(deciding):
            return "successful", None
        succeeded = any(delivery.status == "successful" for delivery in self.deliveries.values())
        if self.booked is None and succeeded and _is_nothing(own):
            return "successful", None
        failing = deciding and "failed" in {deciding.verdict, deciding.status}
        if own.verdict == "failed" or (failing and self.booked is None and not succeeded):
            return "failed", None
        return None


def _is_nothing(delivery: Delivery) -> bool:
    return delivery.verdict == "booked" and delivery.amount == 0


class Judge:
    """The warehouse as it should be, from the records that were loaded into it."""

    def __init__(self) -> None:
        """Start without records."""
        self.entries: dict[str, WalkedEntry] = defaultdict(WalkedEntry)
        self._jobs: dict[str, dict[str, Any]] = {}
        self._statuses: dict[tuple[str, str], str] = {}

    def read(self, rows: list[tuple[str, dict[str, Any]]]) -> None:
        """Take the records of a load, then publish vouchers as a build does."""
        self._jobs |= {row["id"]: row for stream, row in rows if stream == "export_jobs"}
        for stream, row in rows:
            entry = self.entries[row["accountingEntryId"].lower()] if stream != "export_jobs" else None
            if entry is not None and stream == "export_job_items":
                self._statuses[row["exportJobId"], row["accountingEntryId"].lower()] = row["status"]
                if row["status"] == "successful":
                    entry.successes[self._age(row["exportJobId"])] = row["externalId"]
            elif entry is not None:
                amount = row["amount"]["inWalletCurrency"]["value"]
                verdict = "failed" if amount and not row["accountingEntryLines"][0]["account"] else "booked"
                age = self._age(row["jobId"])
                entry.deliveries[age] = Delivery(age, amount, verdict)
                if row["bookkeeping"]:
                    entry.documents = ("bill", "payment")
        for (job, name), status in self._statuses.items():
            if delivery := self.entries[name].deliveries.get(self._age(job)):
                delivery.status = status
                delivery.job_status = "failed" if self._is_over(job) else "in_progress"
        for entry in self.entries.values():
            entry.build()

    def waiting(self) -> dict[tuple[str, str], Update | None]:
        """Return the open items of jobs that can be written to, each with its row of the outbox, if it has one."""
        found: dict[tuple[str, str], Update | None] = {}
        for (job, name), status in self._statuses.items():
            if status in RUNNING and not self._is_over(job):
                own = self.entries[name].deliveries.get(self._age(job))
                outcome = self.entries[name].outcome(own) if own else None
                found[job, name] = (job, name, *outcome) if outcome else None
        return found

    def progress(self) -> dict[str, tuple[int, int, int]]:
        """Return the open items of each job that wait to be booked, to be reported, and for a verdict."""
        counts = {job: [0, 0, 0] for job in self._jobs}
        for (job, name), update in self.waiting().items():
            counts[job][1 if update else 0 if self.entries[name].to_book() else 2] += 1
        return {job: (book, report, decide) for job, (book, report, decide) in counts.items()}

    def _age(self, job: str) -> int:
        return int(datetime.fromisoformat(self._jobs[job]["createdAt"]).timestamp())

    def _is_over(self, job: str) -> bool:
        record = self._jobs[job]
        expired = datetime.fromisoformat(record["expiresAt"]) <= datetime.now(UTC)
        return record["status"] not in RUNNING or expired
