"""Vouchers as the models publish them (`transform/models/marts/schema.yml`). Knows no database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Party:
    """A vendor, supplier or employee; each member is empty if Pleo does not give it."""

    code: str = ""
    name: str = ""
    external_id: str = ""
    tax_identifier: str = ""
    country: str = ""

    def __bool__(self) -> bool:
        """Whether anything identifies the party."""
        return bool(self.code or self.external_id or self.name)


@dataclass(frozen=True)
class Leg:
    """A line of a voucher, in major units of the voucher's currency: debits are positive, credits negative."""

    number: int
    role: str
    account: str
    """Code of the account, or its identifier if it has no code; empty if neither is known."""
    amount: Decimal
    account_name: str = ""
    tax_code: str = ""
    tax_rate: Decimal | None = None
    """Fraction of 1: 0.25 means 25 %."""
    tax_amount: Decimal | None = None
    vat: str = ""
    """net, tax, gross, reverse_in or reverse_out; empty for legs without tax."""
    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Codes of the tags by the code of their group."""


@dataclass(frozen=True)
class Voucher:
    """A voucher of `pleo__vouchers_to_book` with its legs, which add up to zero."""

    id: str
    """Entry, document and version: `<entry>/<document>/<version>`. The key by which a ledger finds it again."""
    kind: str
    """booking or reversal."""
    reverses: str
    """Id of the voucher that a reversal takes back, else empty."""
    entry: str
    job: str
    company: str
    document: str
    """bill, credit_note, payment, payment_returned, expense, refund, advance, reimbursement, …"""
    journal: str
    voucher_date: date
    posting_date: date
    due_date: date | None
    number: str
    """Number on the invoice, else the reconciliation id."""
    text: str
    type: str
    currency: str
    """ISO 4217."""
    amount: Decimal
    foreign_currency: str
    foreign_amount: Decimal | None
    vendor: Party
    """The vendor of an invoice, else the supplier."""
    employee: Party
    files: tuple[str, ...]
    """Paths of the receipts, as `map-pleo-attachments` stored them."""
    web_link: str
    legs: tuple[Leg, ...]

    @property
    def decimals(self) -> int:
        """Decimals of the most exact leg, without trailing zeros."""
        return max((-int(leg.amount.normalize().as_tuple().exponent) for leg in self.legs), default=0)

    def party(self, leg: Leg) -> Party:
        """Return whom a leg of accounts payable or out-of-pocket belongs to; empty for all other legs."""
        return {"accountsPayable": self.vendor, "outOfPocket": self.employee}.get(leg.role, Party())
