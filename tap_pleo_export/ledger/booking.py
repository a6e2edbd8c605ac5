"""Books the waiting vouchers of a company, each once: find by key, book, record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_pleo_export.books.database import MAX_REASON
from tap_pleo_export.ledger.adapter import Booked, Ledger, Refused
from tap_pleo_export.text import escaped

if TYPE_CHECKING:
    from tap_pleo_export.books.database import Books
    from tap_pleo_export.books.vouchers import Voucher
    from tap_pleo_export.singer.signals import Interrupts

BATCH = 100
_MIN_LEGS = 2


@dataclass
class Outcome:
    """Counts of a run, or of one of its companies.

    Attributes:
        booked: Vouchers that were booked.
        found: Vouchers that an earlier run had booked, but not recorded.
        waiting: Vouchers left alone, because an earlier one of their entry was refused.
        reasons: Refused vouchers by reason.
    """

    booked: int = 0
    found: int = 0
    waiting: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """Return the numbers of vouchers by outcome."""
        refused = self.reasons.total()
        return {"booked": self.booked, "found": self.found, "refused": refused, "waiting": self.waiting}

    def add(self, other: Outcome) -> None:
        """Add another company's."""
        self.booked += other.booked
        self.found += other.found
        self.waiting += other.waiting
        self.reasons += other.reasons


@dataclass
class Booking:
    """Books vouchers in a ledger, and records each answer before the next voucher is waited for.

    After a refusal, later vouchers of the same entry wait: a new version is not booked without the reversal of the old
    one, nor a payment without its bill.
    """

    books: Books
    ledger: Ledger
    interrupts: Interrupts
    dry_run: bool = False
    outcome: Outcome = field(default_factory=Outcome)
    _stopped: set[str] = field(default_factory=set)

    def run(self, vouchers: Iterable[Voucher]) -> None:
        """Book vouchers, in the given order.

        Raises:
            BooksError: The warehouse cannot be used.
            LedgerUnavailable: The ledger cannot be used; booked vouchers are recorded, or found by the next run.
            SystemExit: A signal came; likewise.
        """
        for batch in batches(vouchers):
            found = self.ledger.find_all([voucher.id for voucher in batch])
            for voucher in batch:
                if voucher.id in found:
                    self._settle(voucher, found[voucher.id], was_there=True)
            self._book([voucher for voucher in batch if voucher.id not in found])

    def _book(self, vouchers: list[Voucher]) -> None:
        ready = []
        for voucher in vouchers:
            if voucher.entry in self._stopped:
                self.outcome.waiting += 1
            elif refusal := problem(voucher, self.ledger):
                self._settle(voucher, refusal)
            else:
                ready.append(voucher)
        if self.dry_run:
            self.outcome.booked += len(ready)
            return
        for voucher, answer in self.ledger.book_all(ready) if ready else ():
            self._settle(voucher, answer)

    def _settle(self, voucher: Voucher, answer: Booked | Refused, *, was_there: bool = False) -> None:
        if isinstance(answer, Refused):
            reason = escaped(" ".join(answer.reason.split()))[:MAX_REASON]
            self._stopped.add(voucher.entry)
            self.outcome.reasons[reason] += 1
            if not self.dry_run:
                self.books.refuse(voucher.id, answer.type, reason)
        else:
            self.outcome.found += was_there
            self.outcome.booked += not was_there
            if not self.dry_run:
                self.books.record(voucher.id, answer.number, answer.url)
        with self.interrupts.allowed():
            pass


def batches(vouchers: Iterable[Voucher]) -> Iterator[list[Voucher]]:
    """Yield vouchers in batches of different entries, in which none waits for another's answer."""
    batch: dict[str, Voucher] = {}
    for voucher in vouchers:
        if voucher.entry in batch or len(batch) == BATCH:
            yield list(batch.values())
            batch = {}
        batch[voucher.entry] = voucher
    if batch:
        yield list(batch.values())


def problem(voucher: Voucher, ledger: Ledger) -> Refused | None:
    """Return why no ledger may book a voucher, if so: its legs do not add up, or a receipt is missing."""
    if len(voucher.legs) < _MIN_LEGS:
        return Refused(f"The voucher has {len(voucher.legs)} lines instead of two or more: run `dbt build` again")
    if difference := sum(leg.amount for leg in voucher.legs):
        return Refused(f"Debits and credits differ by {difference} {voucher.currency}: run `dbt build` again")
    for path, file in zip(voucher.files, ledger.files_of(voucher), strict=False):
        if not file.is_file() or not file.resolve().is_relative_to((ledger.receipts or file).resolve()):
            return Refused(f"Receipt {path} is not among the stored files", "receipt_upload_failure")
    return None
