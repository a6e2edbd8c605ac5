"""A voucher as the values of an invoice or a move of Tryton, or the reason why Tryton would not take it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_pleo_export.ledger.adapter import Refused
from tap_pleo_export.ledger.tryton_rpc import char
from tap_pleo_export.ledger.tryton_settlement import PREFIX

if TYPE_CHECKING:
    from tap_pleo_export.books.vouchers import Leg, Voucher
    from tap_pleo_export.ledger.tryton_company import Account, Company
    from tap_pleo_export.ledger.tryton_parties import Parties, PartyRecord

MOVE, INVOICE = "account.move", "account.invoice"
DEFAULT_JOURNALS = {"bill": "EXP", "credit_note": "EXP", "*": "MISC"}
_INVOICES = ("bill", "credit_note")
_TAXES = ("tax", "reverse_in", "reverse_out")
_ZERO = Decimal(0)
Values = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """A leg with its account and party in Tryton."""

    leg: Leg
    account: Account
    party: PartyRecord | None


@dataclass(frozen=True)
class Drafter:
    """Makes values for the records of a company."""

    company: Company
    parties: Parties
    journals: Mapping[str, str]
    """Code of the journal by document, for vouchers without one; `*` for all others."""

    def draft(self, voucher: Voucher, reversed_move: int | None) -> tuple[str, Values] | Refused:
        """Return the model and the values of a voucher.

        Args:
            voucher: The voucher; its parties are prepared.
            reversed_move: Tryton's id of the move that a reversal takes back, None if Tryton does not have it.
        """
        if voucher.reverses and reversed_move is None:
            return Refused("The voucher that this one reverses is not in Tryton: book the correction there by hand")
        if refused := self._amounts(voucher) or self._calendar(voucher):
            return refused
        lines: list[Line] = []
        for leg in voucher.legs:
            line = self._line(voucher, leg)
            if isinstance(line, Refused):
                return line
            lines.append(line)
        payable = _payable(voucher, lines)
        journal = self._journal(voucher, is_invoice=payable is not None)
        if isinstance(journal, Refused):
            return journal
        common = {"company": self.company.id, "journal": journal, "description": PREFIX + voucher.id}
        if payable and payable.party:
            return INVOICE, common | self._invoice(voucher, payable, payable.party, lines)
        return MOVE, common | self._move(voucher, lines, reversed_move)

    def _journal(self, voucher: Voucher, *, is_invoice: bool) -> int | Refused:
        """Return the voucher's journal; for an invoice, which Tryton keeps in others, that of the option if need be."""
        default = self.journals.get(voucher.document, self.journals["*"])
        named = self.company.journals.get(code := voucher.journal or default)
        if named and is_invoice and not named.takes_invoices:
            named = self.company.journals.get(code := default)
        if named is None or (is_invoice and not named.takes_invoices):
            kind = " of the type Expense" if named else ""
            return Refused(f"Tryton has no journal {code}{kind}: create it, or name another", "invalid_configuration")
        return named.id

    def _move(self, voucher: Voucher, lines: list[Line], reversed_move: int | None) -> Values:
        period = self.company.period(voucher.posting_date)
        return {
            "period": period.id if period else None,
            "date": voucher.posting_date,
            "origin": None if reversed_move is None else f"{MOVE},{reversed_move}",
            "lines": [("create", [_move_line(voucher, line) for line in lines])],
        }

    def _amounts(self, voucher: Voucher) -> Refused | None:
        name, decimals = self.company.name, self.company.decimals
        # Not left to Tryton: on SQLite it posts a move that does not balance.
        if difference := sum((leg.amount for leg in voucher.legs), _ZERO):
            return Refused(f"Debit and credit differ by {difference} {voucher.currency}", "unexpected_failure")
        if voucher.currency != self.company.currency:
            text = f"The amounts are in {voucher.currency}, but {name} keeps its books in {self.company.currency}"
            return Refused(f"{text}: export this wallet to a company with that currency", "invalid_configuration")
        if voucher.decimals > decimals:
            text = f"An amount has {voucher.decimals} decimals, {voucher.currency} has {decimals}"
            return Refused(f"{text}: leave the setting pleo_round on")
        return None

    def _calendar(self, voucher: Voucher) -> Refused | None:
        day, name = voucher.posting_date, self.company.name
        period = self.company.period(day)
        if period is None:
            return Refused(f"{day} is in no accounting period of {name}: create the fiscal year in Tryton")
        if not period.is_open:
            text = f"The accounting period {period.first} to {period.last} of {name} is closed in Tryton"
            return Refused(f"{text}: reopen it there, or export again with a later date")
        return None

    def _line(self, voucher: Voucher, leg: Leg) -> Line | Refused:
        title = f"{leg.account} {leg.account_name}".strip()
        if leg.account not in self.company.accounts:
            text = f"Account {title} does not exist in Tryton's company {self.company.name}"
            return Refused(f"{text}: create it there, or choose another one in Pleo", "account_unknown")
        account = self.company.accounts[leg.account]
        if account is None or account.is_closed:
            text = f"Account {title} is closed" if account else f"More than one account {title} exists"
            return Refused(f"{text} in Tryton: correct it there, or choose another one in Pleo", "account_unknown")
        return self._with_party(voucher, leg, account, title) if account.needs_party else Line(leg, account, None)

    def _with_party(self, voucher: Voucher, leg: Leg, account: Account, title: str) -> Line | Refused:
        is_employee = leg.role == "outOfPocket"
        party = voucher.employee if is_employee else voucher.vendor
        if not party:
            who = "an employee" if is_employee else "a vendor: choose one in Pleo"
            return Refused(f"Account {title} needs {who}", "validation_failure" if is_employee else "vendor_unknown")
        record = self.parties.get(party, is_employee=is_employee)
        if isinstance(record, str):
            return Refused(f"{party.name or party.code} cannot be a party in Tryton: {record}", "vendor_unknown")
        return Line(leg, account, record)

    def _invoice(self, voucher: Voucher, payable: Line, party: PartyRecord, lines: list[Line]) -> Values:
        others = [line for line in lines if line is not payable]
        taxes = [line for line in others if line.leg.vat in _TAXES]
        return {
            "type": "in",
            "party": party.id,
            "invoice_address": party.address,
            "currency": self.company.currency_id,
            "account": payable.account.id,
            "invoice_date": voucher.voucher_date,
            "accounting_date": voucher.posting_date,
            "payment_term_date": voucher.due_date or voucher.voucher_date,
            "reference": char(voucher.number) or None,
            "comment": "\n".join(filter(None, (voucher.text.replace("\0", " "), voucher.web_link))),
            "lines": [("create", [self._invoice_line(voucher, line) for line in others if line not in taxes])],
            "taxes": [("create", [_tax(line) for line in taxes])] if taxes else [],
        }

    def _invoice_line(self, voucher: Voucher, line: Line) -> Values:
        return {
            "type": "line",
            "company": self.company.id,
            "currency": self.company.currency_id,
            "account": line.account.id,
            "quantity": -1.0 if line.leg.amount < 0 else 1.0,
            "unit_price": abs(line.leg.amount),
            "description": char(voucher.text),
        }


def _payable(voucher: Voucher, lines: list[Line]) -> Line | None:
    """Return the leg that a supplier invoice would owe, or None where a voucher cannot be a supplier invoice."""
    owed = [line for line in lines if line.leg.role == "accountsPayable"]
    if len(owed) != 1 or voucher.kind != "booking" or voucher.document not in _INVOICES:
        return None
    (payable,) = owed
    others = [line for line in lines if line is not payable]
    is_allowed = all(
        line.account is not payable.account and (line.leg.vat in _TAXES or line.account.on_invoice_lines)
        for line in others
    )
    has_lines = any(line.leg.vat not in _TAXES for line in others)
    return payable if payable.party and payable.account.is_payable and is_allowed and has_lines else None


def _move_line(voucher: Voucher, line: Line) -> Values:
    amount = line.leg.amount
    due = {"maturity_date": voucher.due_date or voucher.posting_date} if line.account.is_payable else {}
    return {
        "account": line.account.id,
        "party": line.party.id if line.party else None,
        "debit": max(amount, _ZERO),
        "credit": max(-amount, _ZERO),
        "description": char(voucher.text),
        **due,
    }


def _tax(line: Line) -> Values:
    leg = line.leg
    rate = f" {leg.tax_rate * 100:f}".rstrip("0").rstrip(".") + " %" if leg.tax_rate else ""
    return {
        "manual": True,
        "account": line.account.id,
        "base": _ZERO,  # for reports by tax, which need a tax of Tryton
        "amount": leg.amount,
        "description": char(f"{leg.tax_code or 'VAT'}{rate}"),
    }
