"""Vouchers, and a Tryton with two companies."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tap_pleo_export.books.vouchers import Leg, Party, Voucher
from tests.helpers import made_vouchers

ACCOUNTS = [
    {"code": "1000", "name": "Pleo wallet", "kind": "asset"},
    {"code": "1100", "name": "Transit", "kind": "asset"},
    {"code": "2000", "name": "Creditors", "kind": "payable"},
    {"code": "2100", "name": "Employees", "kind": "employee"},
    {"code": "2500", "name": "VAT", "kind": "tax"},
    {"code": "2600", "name": "VAT, reverse charge", "kind": "tax"},
    {"code": "6000", "name": "Costs", "kind": "expense"},
    {"code": "6100", "name": "Travel", "kind": "expense"},
]
WORLD = {
    "years": [2026],
    "companies": [
        {"name": "Nordlicht GmbH", "currency": "EUR", "closed": ["2026-02-01"], "accounts": ACCOUNTS},
        {"name": "Bakken ApS", "currency": "DKK", "closed": [], "accounts": ACCOUNTS},
    ],
}
VENDOR = Party(code="V-1", name="Acme & Søn", tax_identifier="DE123456789")
EMPLOYEE = Party(code="7", name="Ada Lovelace", external_id="user-7")


def new_entry() -> str:
    return str(uuid4())


def legs(*rows: tuple[str, str, str] | tuple[str, str, str, str]) -> tuple[Leg, ...]:
    """Legs from rows of role, account, amount, and vat where it matters."""
    return tuple(
        Leg(number, role, account, Decimal(amount), vat=vat[0] if vat else "")
        for number, (role, account, amount, *vat) in enumerate(rows, start=1)
    )


def voucher(document: str, *rows: Any, **changes: Any) -> Voucher:
    entry = changes.pop("entry", None) or new_entry()
    version = changes.pop("version", 1)
    members: dict[str, Any] = {
        "id": f"{entry}/{document}/{version}",
        "entry": entry,
        "job": "job-1",
        "document": document,
        "journal": "",
        "voucher_date": date(2026, 3, 4),
        "posting_date": date(2026, 3, 5),
        "number": "",
        "text": "Acme, Ada, lunch",
        "type": "invoice",
        "amount": Decimal(0),
        "vendor": VENDOR,
        "employee": EMPLOYEE,
        "web_link": "https://app.pleo.io/x",
        "legs": legs(*rows),
    }
    return made_vouchers.voucher(1, **(members | changes))


def bill(amount: str = "125.00", **changes: Any) -> Voucher:
    net = str(Decimal(amount) - Decimal(25))
    rows = (
        ("line", "6000", net, "net"),
        ("taxIngoing", "2500", "25.00", "tax"),
        ("accountsPayable", "2000", f"-{amount}"),
    )
    return voucher("bill", *rows, **changes)


def payment(amount: str = "125.00", **changes: Any) -> Voucher:
    return voucher("payment", ("accountsPayable", "2000", amount), ("wallet", "1000", f"-{amount}"), **changes)


def expense(amount: str = "10.00", **changes: Any) -> Voucher:
    return voucher("expense", ("line", "6000", amount), ("wallet", "1000", f"-{amount}"), **changes)


def reversal(of: Voucher, **changes: Any) -> Voucher:
    swapped = tuple(dataclasses.replace(leg, amount=-leg.amount) for leg in of.legs)
    head, _, version = of.id.rpartition("/")
    new = {"id": f"{head}/{int(version) + 1}", "kind": "reversal", "reverses": of.id, "legs": swapped}
    return dataclasses.replace(of, **(new | changes))
