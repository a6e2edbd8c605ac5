"""Balances of a company: a plain simulation of events, without accounts or vouchers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Sums = defaultdict[str, Decimal]


def _sums() -> Sums:
    return defaultdict(Decimal)


@dataclass
class Balances:
    """Money by wallet currency, in hundredths as Pleo sends it."""

    wallet: Sums = field(default_factory=_sums)  # In the Pleo wallet
    suppliers: Sums = field(default_factory=_sums)  # Owed to suppliers for invoices
    bank: Sums = field(default_factory=_sums)  # Received by the company's bank account; paid if negative
    # Owed to each employee, by user id and currency; owed by them if negative
    employees: defaultdict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    @classmethod
    def after(cls, items: Iterable[dict[str, Any]]) -> Balances:
        """Return the balances after these events, each an export item, began at zero."""
        balances = cls()
        for item in items:
            balances.happen(item)
        return balances

    def pots(self, currency: str) -> dict[str, Decimal]:
        """Return the balances of one currency as books show them, by role: debts are negative."""
        return {
            "wallet": self.wallet[currency],
            "accountsPayable": 0 - self.suppliers[currency],
            "outOfPocket": Decimal(0) - sum(owed for (_, code), owed in self.employees.items() if code == currency),
            "contra": self.bank[currency],
        }

    def happen(self, item: dict[str, Any]) -> None:
        """Let one event move money.

        Spending has the sign that Pleo sends. Elsewhere the type says where the money goes, because Pleo does not
        document the sign.

        Raises:
            ValueError: The type is unknown.
        """
        amount = item["amount"]["inWalletCurrency"]
        # A wallet has whole hundredths, although Pleo sends fractions of some.
        currency, spent = amount["currency"], Decimal(amount["value"]).quantize(Decimal(1), ROUND_HALF_UP)
        moved = abs(spent)
        employee = ((item.get("user") or {}).get("id", ""), currency)
        match item["type"], item.get("subType"):
            case "card_purchase" | "card_invoice" | "fee", _:
                self.wallet[currency] -= spent
            case "refund" | "chargeback" | "cashback", _:
                self.wallet[currency] += moved
            case "invoice", _:
                self.suppliers[currency] += spent
            case "out_of_pocket" | "mileage" | "per_diem", _:
                self.employees[employee] += spent
            case "atm_withdrawal" | "personal_spend", _:
                self.wallet[currency] -= moved
                self.employees[employee] -= moved
            case "wallet_topup", _:
                self._transfer(self.bank, self.wallet, currency, moved)
            case "wallet_unload", _:
                self._transfer(self.wallet, self.bank, currency, moved)
            case "invoice_payment" | "direct_reimbursement" | "external_reimbursement" as type_, how:
                self._settle(type_, -moved if how in RETURNS else moved, currency, employee)
            case unknown:
                raise ValueError(f"unknown type and sub type: {unknown}")

    def _transfer(self, source: Sums, into: Sums, currency: str, moved: Decimal) -> None:
        source[currency] -= moved
        into[currency] += moved

    def _settle(self, type_: str, paid: Decimal, currency: str, employee: tuple[str, str]) -> None:
        """Pay a debt; negative if the money comes back."""
        (self.bank if type_ == "external_reimbursement" else self.wallet)[currency] -= paid
        if type_ == "invoice_payment":
            self.suppliers[currency] -= paid
        else:
            self.employees[employee] -= paid


RETURNS = frozenset({"invoice_payment_returned", "reimbursement_to_employee_refund", "reimbursement_to_company"})
