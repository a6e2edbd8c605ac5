"""Vouchers made by hand, as the models publish them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from tap_pleo_export.books.vouchers import Leg, Party, Voucher

COMPANY = "12abc3d4-e567-890e-1234-abc56e78fabc"


def leg(role: str, account: str, amount: str, **members: Any) -> Leg:
    """Return a leg; its number is given by the voucher."""
    return Leg(number=0, role=role, account=account, amount=Decimal(amount), **members)


def voucher(number: int, /, *legs: Leg, **members: Any) -> Voucher:
    """Return a voucher of these legs; by default an expense of 119.00 EUR with its tax split off."""
    legs = legs or (
        leg("line", "6100", "100", vat="net", tax_code="T19", tax_amount=Decimal(19)),
        leg("ingoingTax", "1575", "19", vat="tax", tax_code="T19", tax_amount=Decimal(19)),
        leg("wallet", "1240", "-119"),
    )
    entry = f"{number:08d}-aaaa-4000-a000-000000000000"
    made = Voucher(
        id=f"{entry}/expense/1",
        kind="booking",
        reverses="",
        entry=entry,
        job="",
        company=COMPANY,
        document="expense",
        journal="PLEO",
        voucher_date=date(2026, 11, 9),
        posting_date=date(2026, 11, 9),
        due_date=None,
        number=f"CR{number:06}",
        text="Deutsche Bahn, Priya Nair, Train",
        type="card_purchase",
        currency="EUR",
        amount=sum((each.amount for each in legs if each.amount > 0), Decimal()),
        foreign_currency="",
        foreign_amount=None,
        vendor=Party(),
        employee=Party(code="17", name="Priya Nair", external_id="u-1"),
        files=(),
        web_link=f"https://app.pleo.example/e/{number}",
        legs=tuple(replace(each, number=place) for place, each in enumerate(legs, 1)),
    )
    return replace(made, **members)


def gross(account: str, amount: str, code: str = "T19", tax: str = "19", **members: Any) -> Leg:
    """Return a line with its tax in it."""
    return leg("line", account, amount, vat="gross", tax_code=code, tax_amount=Decimal(tax), **members)


def balances(vouchers: list[Voucher]) -> dict[str, Decimal]:
    """Return the balance of each account, without those of zero."""
    found: dict[str, Decimal] = {}
    for each in vouchers:
        for own in each.legs:
            found[own.account] = found.get(own.account, Decimal()) + own.amount
    return {account: amount for account, amount in found.items() if amount}
