"""Items to book, and a configuration that has every role."""

from __future__ import annotations

from typing import Any

import msgspec

from tap_pleo_export.validation import Validator, parse_settings

COMPANY = "12abc3d4-e567-890e-1234-abc56e78fabc"
CONFIGURATION: dict[str, Any] = {
    "companyId": "*",
    "journal": "PLEO",
    "accounts": {
        "wallet": "1910",
        "outOfPocket": "2890",
        "contra": "1999",
        "accountsPayable": "2440",
        "externalReimbursement": "2895",
    },
}


def amount(value: Any, currency: str = "EUR") -> dict[str, Any]:
    """Return an amount of so many cents, the same in both currencies."""
    money = {"value": value, "currency": currency}
    return {"inWalletCurrency": money, "inSupplierCurrency": money}


def line(value: Any = 1200, **members: Any) -> dict[str, Any]:
    """Return an accounting entry line with a category and without tax."""
    account = {"id": "7966c3ba-e4de-4574-8604-6cfa48d62cc8", "name": "Meals", "code": "6200", "identifier": None}
    money = {"lineAmount": amount(value), "netAmount": amount(value)}
    return {"accountingEntryLineId": "l1", "account": account, "tags": [], "tax": None} | money | members


def item(*, method: str | None = "journal", amount: Any = 1200, **members: Any) -> dict[str, Any]:
    """Return an export item of 12 euros with a line, a vendor and a contra account."""
    money = {"value": amount, "currency": "EUR"}
    return {
        "jobId": "8eb648ab-464b-42a0-ba17-eda703657e33",
        "accountingEntryId": "9ea2ef81-4d73-460d-bbb4-ccf3da6f6f61",
        "companyId": COMPANY,
        "type": "card_purchase",
        "subType": None,
        "amount": {"inWalletCurrency": money, "inSupplierCurrency": money},
        "accountingEntryLines": [line(amount)],
        "contraAccount": {"id": "c1", "name": "Pleo EUR", "code": "1910", "identifier": None},
        "bookkeeping": method and {"method": method},
        "vendor": {"code": "V-1", "externalId": "ext-1", "name": "Vendor"},
        "supplier": None,
    } | members


def judge(record: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Return the members that the mapper adds to a record."""
    validator = Validator(parse_settings({"configuration": [CONFIGURATION]} | settings))
    verdict: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(validator.judge(record)))
    return verdict


def booked(record: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Return the record's `posting`."""
    posting: dict[str, Any] = judge(record, **settings)["posting"]
    return posting
