"""Tests that every adapter must pass, for pytest: subclass `LedgerContract` and fill in its abstract methods.

pytest shows the compared values if a `conftest.py` has
`pytest.register_assert_rewrite("tap_pleo_export.ledger.contract")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from tap_pleo_export.books.vouchers import Leg, Party, Voucher
from tap_pleo_export.ledger.adapter import Booked, Ledger, LedgerUnavailable, Refused

Balances = dict[str, Decimal]
"""Sums of a voucher's legs by account, without those that are zero."""
RECEIPT = b"%PDF-1.7\n\x00\xff receipt \r\n"


class LedgerContract:
    """Everything that `pleo-export-book` relies on. The attributes describe a company in the accounting system.

    Attributes:
        company: Its id in Pleo, for `Voucher.company`.
        currency: Its currency, with two decimals.
        expenses, payable, wallet: Accounts for lines, for what vendors are owed, and for money.
        unknown_account: An account that it does not have.
        open_day: A day in an open period.
        closed_day: A day in a closed period.
        needs_parties: Whether its payable account demands a vendor.
    """

    company = "12abc3d4-e567-890e-1234-abc56e78fabc"
    currency = "EUR"
    expenses, payable, wallet, unknown_account = "6100", "2440", "1240", "no-such-account"
    open_day, closed_day = date(2026, 11, 5), date(2026, 1, 5)
    needs_parties = True

    receipts: Path
    """Folder of the receipts: an empty one for each test."""

    def open(self) -> Ledger:
        """Return the adapter, opened anew for the company with `self.receipts`."""
        raise NotImplementedError

    def posted(self, key: str) -> list[Balances]:
        """Ask the accounting system itself, not the adapter: the sums of each posted voucher with this key."""
        raise NotImplementedError

    def attached(self, key: str) -> list[bytes]:
        """Ask the accounting system itself: the contents of all files of a key's posted vouchers."""
        raise NotImplementedError

    def dying(self, ledger: Ledger) -> AbstractContextManager[None]:
        """Return a block in which booking dies between creation and posting; it swallows the error that this causes."""
        raise NotImplementedError

    def faults(self, ledger: Ledger) -> Iterator[tuple[str, AbstractContextManager[object]]]:
        """Yield blocks in which the accounting system is slow, answers nonsense or is down; name each."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _receipts(self, tmp_path: Path) -> None:
        self.receipts = tmp_path

    # Vouchers.

    def voucher(self, document: str = "expense", amount: str = "12.34", **changes: object) -> Voucher:
        """Return a voucher with a new key, of a debit and a credit."""
        roles = {
            "expense": (("line", self.expenses), ("wallet", self.wallet)),
            "bill": (("line", self.expenses), ("accountsPayable", self.payable)),
            "payment": (("accountsPayable", self.payable), ("wallet", self.wallet)),
        }[document]
        signed = (Decimal(amount), -Decimal(amount))
        legs = tuple(
            Leg(number=number, role=role, account=account, amount=value)
            for number, ((role, account), value) in enumerate(zip(roles, signed, strict=True), start=1)
        )
        entry = str(uuid4())
        made = Voucher(
            id=f"{entry}/{document}/1", kind="booking", reverses="", entry=entry, job=str(uuid4()),
            company=self.company, document=document, journal="PLEO", voucher_date=self.open_day,
            posting_date=self.open_day, due_date=self.open_day if document == "bill" else None, number=entry[:13],
            text="Nordlys, Zoë “Ø”; 'x' <b>", type="card_purchase", currency=self.currency, amount=Decimal(amount),
            foreign_currency="", foreign_amount=None, vendor=Party(code="V-1", name="Nordlys Papir"),
            employee=Party(code="17", name="Priya Nair"), files=(), web_link="", legs=legs,
        )  # fmt: skip
        return replace(made, **changes)  # type: ignore[arg-type] # members of a voucher

    def with_leg(self, voucher: Voucher, place: int, **changes: object) -> Voucher:
        """Return a voucher with one leg changed."""
        legs = list(voucher.legs)
        legs[place] = replace(legs[place], **changes)  # type: ignore[arg-type] # members of a leg
        return replace(voucher, legs=tuple(legs))

    def books(self, ledger: Ledger, voucher: Voucher) -> Booked:
        """Book a voucher, which must be booked once and with the right amounts."""
        answer = ledger.book(voucher)
        assert isinstance(answer, Booked), f"{voucher.document} was refused: {answer}"
        assert answer.number, "a booked voucher has a number"
        assert self.posted(voucher.id) == [balances(voucher)], "posted once, with these amounts"
        return answer

    def refuses(self, voucher: Voucher) -> None:
        """Book a voucher, which must be refused with a reason and leave nothing; its key can be booked later."""
        ledger = self.open()
        answer = ledger.book(voucher)
        assert isinstance(answer, Refused), f"it was booked: {answer}"
        assert answer.reason.strip(), "a refusal has a reason"
        assert len(answer.reason.splitlines()) == 1, "a reason is one line"
        assert self.posted(voucher.id) == [], "nothing is posted"
        assert ledger.find(voucher.id) is None, "a refused voucher is not found"
        corrected = self.voucher()
        self.books(ledger, replace(corrected, id=voucher.id, entry=voucher.entry))

    # The tests.

    def test_a_voucher_is_posted_and_found(self) -> None:
        """Each document is posted once; its key finds it, also from another connection."""
        ledger, other = self.open(), self.open()
        vouchers = [self.voucher(document) for document in ("expense", "bill", "payment")]
        booked = {voucher.id: self.books(ledger, voucher) for voucher in vouchers}
        assert len({answer.number for answer in booked.values()}) == len(booked), "each has a different number"
        assert ledger.find(f"{uuid4()}/expense/1") is None, "an unknown key is not found"
        for opened in (ledger, other, self.open()):
            assert {key: opened.find(key) for key in booked} == booked
            assert opened.find_all([*booked, f"{uuid4()}/expense/1"]) == booked

    def test_an_unbalanced_voucher_is_refused(self) -> None:
        """Debits and credits differ by a cent."""
        self.refuses(self.with_leg(self.voucher(), 0, amount=Decimal("12.35")))

    def test_a_closed_period_is_refused(self) -> None:
        """The posting date is in a closed period."""
        self.refuses(self.voucher(voucher_date=self.closed_day, posting_date=self.closed_day))

    def test_an_unknown_account_is_refused(self) -> None:
        """A leg names an account that is missing in the accounting system."""
        self.refuses(self.with_leg(self.voucher(), 0, account=self.unknown_account))

    def test_a_missing_vendor_is_refused(self) -> None:
        """A bill comes without its vendor."""
        if self.needs_parties:
            self.refuses(self.voucher("bill", vendor=Party()))

    def test_too_many_decimals_are_refused(self) -> None:
        """An amount has a fraction of a cent: it is neither rounded nor dropped."""
        self.refuses(self.voucher(amount="19.9995"))

    def test_a_voucher_booked_again_is_posted_once(self) -> None:
        """Whoever books a posted key again gets its number."""
        ledger, other, voucher = self.open(), self.open(), self.voucher()
        booked = self.books(ledger, voucher)
        assert self.books(ledger, voucher) == booked
        assert self.books(other, voucher) == booked
        assert self.books(self.open(), voucher) == booked

    def test_a_run_that_dies_before_posting_is_continued(self) -> None:
        """A draft is neither found nor doubled, and neither are its receipts."""
        (self.receipts / "1.pdf").write_bytes(RECEIPT)
        voucher, ledger = self.voucher(files=("1.pdf",)), self.open()
        with self.dying(ledger):
            ledger.book(voucher)
        assert self.posted(voucher.id) == [], "it died before the voucher was posted"
        assert self.open().find(voucher.id) is None, "a draft is not booked"
        self.books(self.open(), voucher)
        assert self.attached(voucher.id) == [RECEIPT]

    def test_two_vouchers_in_turn_from_two_connections(self) -> None:
        """Two writers: neither loses or doubles the other's vouchers."""
        first, second = self.open(), self.open()
        vouchers = [self.voucher() for _ in range(4)]
        for number, voucher in enumerate(vouchers):
            self.books((first, second)[number % 2], voucher)
        assert set(first.find_all([voucher.id for voucher in vouchers])) == {voucher.id for voucher in vouchers}

    def test_slow_and_broken_answers_end_the_run(self) -> None:
        """An outage is not a refusal, and after it every voucher is posted once."""
        ledger = self.open()
        for name, fault in self.faults(ledger):
            voucher = self.voucher()
            answer: object = None
            with fault:
                try:
                    answer = ledger.book(voucher)
                except LedgerUnavailable as error:
                    answer = error
            assert len(str(answer).splitlines()) == 1, f"{name}: an error is one line"
            assert not isinstance(answer, Refused), f"{name}: an outage is not a refusal"
            self.books(self.open(), voucher)

    def test_a_reversal_takes_its_voucher_back(self) -> None:
        """The reversal is a separate voucher; both together come to zero on every account."""
        for document in ("expense", "bill", "payment"):
            ledger, voucher = self.open(), self.voucher(document)
            legs = tuple(replace(leg, amount=-leg.amount) for leg in voucher.legs)
            key = f"{voucher.entry}/{document}/2"
            self.books(ledger, voucher)
            self.books(
                ledger,
                replace(voucher, id=key, kind="reversal", reverses=voucher.id, legs=legs, amount=-voucher.amount),
            )

    def test_receipts_are_attached(self) -> None:
        """Every file, with equal bytes."""
        contents = {"1.pdf": RECEIPT, "2.png": bytes(range(256))}
        for name, content in contents.items():
            (self.receipts / name).write_bytes(content)
        voucher, ledger = self.voucher(files=tuple(contents)), self.open()
        self.books(ledger, voucher)
        self.books(ledger, voucher)
        assert sorted(self.attached(voucher.id)) == sorted(contents.values())

    def test_a_leg_of_zero_changes_nothing(self) -> None:
        """It may be left out, kept or refused."""
        voucher, ledger = self.voucher(), self.open()
        zero = Leg(number=3, role="line", account=self.expenses, amount=Decimal("0.00"))
        voucher = replace(voucher, legs=(*voucher.legs, zero))
        if isinstance(ledger.book(voucher), Booked):
            self.books(ledger, voucher)
        else:
            assert self.posted(voucher.id) == []

    def test_many_vouchers_each_have_their_answer(self) -> None:
        """A refused voucher neither stops the others nor takes their answers."""
        vouchers = [self.voucher(amount=f"{number}.10") for number in range(1, 6)]
        vouchers[2] = self.with_leg(vouchers[2], 0, account=self.unknown_account)
        ledger = self.open()
        answers = [(voucher.id, answer) for voucher, answer in ledger.book_all(vouchers)]
        assert [key for key, _ in answers] == [voucher.id for voucher in vouchers], "in the given order"
        assert [isinstance(answer, Booked) for _, answer in answers] == [number != 2 for number in range(5)]
        for voucher, (key, answer) in zip(vouchers, answers, strict=True):
            assert ledger.find(key) == (answer if isinstance(answer, Booked) else None)
            assert self.posted(key) == ([balances(voucher)] if isinstance(answer, Booked) else [])


def balances(voucher: Voucher) -> Balances:
    """Return a voucher's sums by account, without those that are zero."""
    found: Balances = {}
    for leg in voucher.legs:
        found[leg.account] = found.get(leg.account, Decimal(0)) + leg.amount
    return {account: amount for account, amount in found.items() if amount}
