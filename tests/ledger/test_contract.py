"""The contract of adapters: the reference ledger passes it, and each ledger with a fault fails it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tap_pleo_export.books.vouchers import Leg, Voucher
from tap_pleo_export.ledger.adapter import Booked, Ledger, LedgerUnavailable, Refused
from tap_pleo_export.ledger.contract import LedgerContract
from tests.ledger.reference import Crash, Reference, attached, posted


class Contract(LedgerContract):
    kind: type[Reference] = Reference

    @property
    def file(self) -> Path:
        return self.receipts / "books.sqlite"

    def open(self) -> Ledger:
        return self.kind("Nordlys", self.receipts, file=str(self.file))

    def posted(self, key: str) -> list[dict[str, Decimal]]:
        return posted(self.file, key)

    def attached(self, key: str) -> list[bytes]:
        return attached(self.file, key)

    @contextlib.contextmanager
    def dying(self, ledger: Ledger) -> Iterator[None]:
        assert isinstance(ledger, Reference)
        ledger.dies = True
        with contextlib.suppress(Crash):
            yield

    def faults(self, ledger: Ledger) -> Iterator[tuple[str, AbstractContextManager[object]]]:
        assert isinstance(ledger, Reference)

        @contextlib.contextmanager
        def down() -> Iterator[None]:
            ledger.down = True
            yield
            ledger.down = False

        yield "down", down()


class TestReference(Contract):
    """The reference ledger passes."""


class BooksTwice(Reference):
    def find(self, key: str) -> Booked | None:
        return super().find(f"{key} mislaid")


class DoublesDrafts(Reference):
    def draft(self, voucher: Voucher) -> int:
        return self.create(voucher)

    def post(self, move: int, voucher: Voucher) -> Booked | Refused:
        answer = super().post(move, voucher)
        self.run("update moves set number = 'JE-' || id where key = ?", voucher.id)
        return answer


class FindsDrafts(Reference):
    def find(self, key: str) -> Booked | None:
        rows = self.run("select coalesce(number, id) from moves where key = ?", key)
        return Booked(f"JE-{rows[0][0]}") if rows else None


class LeavesRefused(Reference):
    def objection(self, voucher: Voucher) -> str | None:
        reason = super().objection(voucher)
        if reason:
            self.create(voucher)
        return reason


class IgnoresBalance(Reference):
    skips = "balance"


class IgnoresPeriods(Reference):
    skips = "period"


class TakesAnyAccount(Reference):
    skips = "accounts"


class TakesNoParty(Reference):
    skips = "parties"


class TakesFractions(Reference):
    skips = "fractions"


class Rounds(TakesFractions):
    def legs(self, voucher: Voucher) -> Iterable[Leg]:
        return [replace(leg, amount=round(leg.amount, 2)) for leg in voucher.legs]


class MixesSigns(Reference):
    def legs(self, voucher: Voucher) -> Iterable[Leg]:
        return (
            [replace(leg, amount=-leg.amount) for leg in voucher.legs] if voucher.kind == "reversal" else voucher.legs
        )


class ForgetsReversals(Reference):
    def book(self, voucher: Voucher) -> Booked | Refused:
        return super().book(voucher) if voucher.kind == "booking" else Booked("none")


class AttachesNothing(Reference):
    def attach(self, move: int, voucher: Voucher) -> None:
        super().attach(move, replace(voucher, files=()))


class AttachesTwice(Reference):
    def attach(self, move: int, voucher: Voucher) -> None:
        for path in self.files_of(voucher):
            count = len(self.run("select 1 from files where move = ?", move))
            self.run("insert into files values (?, ?, ?)", move, f"{count} {path.name}", path.read_bytes())


class AttachesText(Reference):
    def attach(self, move: int, voucher: Voucher) -> None:
        for path in self.files_of(voucher):
            content = path.read_bytes().decode("latin-1").replace("\r\n", "\n").encode("latin-1")
            self.run("insert or ignore into files values (?, ?, ?)", move, path.name, content)


class GivesOneNumber(Reference):
    def find(self, key: str) -> Booked | None:
        return Booked("JE-1") if super().find(key) else None


class GivesNoNumber(Reference):
    def find(self, key: str) -> Booked | None:
        return Booked("") if super().find(key) else None


class RefusesOutages(Reference):
    def book(self, voucher: Voucher) -> Booked | Refused:
        try:
            return super().book(voucher)
        except LedgerUnavailable as error:
            return Refused(str(error))


class RefusesWithoutReason(Reference):
    def objection(self, voucher: Voucher) -> str | None:
        return super().objection(voucher) and " "


class RefusesInManyLines(Reference):
    def objection(self, voucher: Voucher) -> str | None:
        return super().objection(voucher) and "Traceback:\n  line 1"


class RemembersMissing(Reference):
    """Asks the books for each key only once."""

    def find(self, key: str) -> Booked | None:
        known: dict[str, Booked | None] = self.__dict__.setdefault("known", {})
        return known.setdefault(key, super().find(key))


class StopsAtRefusal(Reference):
    def book_all(self, vouchers: Sequence[Voucher]) -> Iterator[tuple[Voucher, Booked | Refused]]:
        for voucher in vouchers:
            answer = self.book(voucher)
            yield voucher, answer
            if isinstance(answer, Refused):
                return


class RefusesTheBatch(Reference):
    def book_all(self, vouchers: Sequence[Voucher]) -> Iterator[tuple[Voucher, Booked | Refused]]:
        reasons = [reason for voucher in vouchers if (reason := self.objection(voucher))]
        for voucher in vouchers:
            yield voucher, Refused(reasons[0]) if reasons else self.book(voucher)


class FindsTooMuch(Reference):
    def find_all(self, keys: Sequence[str]) -> dict[str, Booked]:
        return {key: self.find(key) or Booked("?") for key in keys}


MUTANTS = [
    mutant for mutant in globals().values()
    if isinstance(mutant, type) and issubclass(mutant, Reference) and mutant is not Reference
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_ledger_with_a_fault_fails(mutant: type[Reference], tmp_path: Path) -> None:
    failures = []
    for name in (name for name in dir(Contract) if name.startswith("test_")):
        contract = Contract()
        contract.kind = mutant
        contract.receipts = tmp_path / name
        contract.receipts.mkdir()
        try:
            getattr(contract, name)()
        except AssertionError:
            failures.append(name)
    assert failures
