"""A company of Tryton as far as booking needs it, read once: accounts, periods and journals by code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from tap_pleo_export.ledger.adapter import LedgerUnavailable

if TYPE_CHECKING:
    from tap_pleo_export.ledger.tryton_rpc import TrytonRpc


@dataclass(frozen=True)
class Account:
    """An account that can be booked on."""

    id: int
    is_closed: bool
    needs_party: bool
    is_payable: bool
    on_invoice_lines: bool
    """Whether Tryton allows it in the lines of supplier invoices: accounts of expenses and of debts."""


@dataclass(frozen=True)
class Period:
    """A month, or another part of a fiscal year."""

    id: int
    first: date
    last: date
    is_open: bool


@dataclass(frozen=True)
class Journal:
    """A journal."""

    id: int
    takes_invoices: bool


@dataclass(frozen=True)
class Company:
    """A company's books."""

    id: int
    name: str
    currency_id: int
    currency: str
    decimals: int
    accounts: dict[str, Account | None]
    """By code; None where two accounts have the same code."""
    periods: list[Period]
    journals: dict[str, Journal]

    def period(self, day: date) -> Period | None:
        """Return the period of a day."""
        return next((period for period in self.periods if period.first <= day <= period.last), None)


def read_company(rpc: TrytonRpc, name: str | int) -> Company:
    """Read a company by name or id.

    Raises:
        LedgerUnavailable: There is no such company, or the user cannot see it.
    """
    fields = ["party.name", "currency.code", "currency.digits"]
    by = ("id", "=", name) if isinstance(name, int) else ("party.name", "=", name)
    rows = rpc.search("company.company", [by], fields)
    if len(rows) != 1:
        raise LedgerUnavailable(
            f"Tryton has {len(rows) or 'no'} companies {name!r} that the user can see: check the companies' names, "
            "and that the user's company filter is 'all'"
        )
    company, currency = rows[0]["id"], rows[0]["currency."]
    return Company(
        id=company,
        name=rows[0]["party."]["name"],
        currency_id=currency["id"],
        currency=currency["code"],
        decimals=currency["digits"],
        accounts=_accounts(rpc, company),
        periods=_periods(rpc, company),
        journals={
            row["code"]: Journal(row["id"], takes_invoices=row["type"] == "expense")
            for row in rpc.search("account.journal", [], ["code", "type"], company)
        },
    )


def _accounts(rpc: TrytonRpc, company: int) -> dict[str, Account | None]:
    fields = ["code", "closed", "party_required", "type.payable", "type.expense", "type.debt"]
    found: dict[str, Account | None] = {}
    for row in rpc.search("account.account", [("company", "=", company), ("type", "!=", None)], fields, company):
        kind = row["type."]
        account = Account(
            id=row["id"],
            is_closed=row["closed"],
            needs_party=row["party_required"],
            is_payable=kind["payable"],
            on_invoice_lines=kind["expense"] or kind["debt"],
        )
        found[row["code"]] = None if row["code"] in found else account
    return found


def _periods(rpc: TrytonRpc, company: int) -> list[Period]:
    conditions = [("company", "=", company), ("type", "=", "standard")]
    rows = rpc.search("account.period", conditions, ["start_date", "end_date", "state"], company)
    return [Period(row["id"], row["start_date"], row["end_date"], row["state"] == "open") for row in rows]
