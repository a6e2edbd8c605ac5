"""Seeded export items: every type and sub type, with the oddities of their kinds."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sandbox.behaviour import MONEY_BACK
from sandbox.conformance import require
from sandbox.jobs import stamp
from sandbox.kinds import KINDS, Kind, Number
from sandbox.oddities import HOSTILE, ODDITIES, add_tax
from sandbox.values import make_uuid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from random import Random

Json = dict[str, Any]

# Units of the wallet currency for one unit of the supplier's; both in hundredths, JPY too (Pleo says cents throughout).
RATES: Final = {"EUR": Decimal(1), "GBP": Decimal("1.17"), "DKK": Decimal("0.134"), "SEK": Decimal("0.089"),
                "USD": Decimal("0.92"), "JPY": Decimal("0.0061"), "VEF": Decimal("0.00000000004")}  # fmt: skip
OTHER_RATE: Final = Decimal("0.5")
HOMES: Final = (("EUR", "DE"), ("DKK", "DK"), ("GBP", "GB"), ("SEK", "SE"))
MOVES_WALLET: Final = frozenset({
    "card_purchase", "fee", "cashback", "refund", "chargeback", "direct_reimbursement", "invoice_payment",
    "card_invoice", "atm_withdrawal", "personal_spend", "wallet_topup", "wallet_unload",
})  # fmt: skip
TAGGABLE: Final = frozenset({
    "card_purchase", "fee", "chargeback", "refund", "cashback", "invoice", "invoice_payment",
})  # fmt: skip
NO_SUPPLIER: Final = frozenset({
    "mileage", "per_diem", "wallet_topup", "wallet_unload", "cashback", "direct_reimbursement",
})  # fmt: skip
NO_USER: Final = frozenset({"wallet_topup", "wallet_unload", "cashback", "fee"})
TAXED: Final = frozenset({"card_purchase", "card_invoice", "out_of_pocket", "invoice", "refund"})
# Types without a category in Pleo.
SETTLEMENTS: Final = frozenset({
    "invoice_payment", "direct_reimbursement", "external_reimbursement", "wallet_topup", "wallet_unload",
})  # fmt: skip
INVOICES: Final = frozenset({"invoice", "invoice_payment", "card_invoice"})

ORGANIZATION = "5b0f7a52-3f0e-4c8e-9d57-0c1f6a9be001"
PEOPLE = ("Zoë Müller", "Søren Ångström", "Łucja Wiśniewska", "山田 太郎", "Niamh Ó Briain", "Luís Gonçalves")
SUPPLIERS = ("Café Ørsted", "Rail GmbH", "株式会社さくら", "Smith & Sons, Ltd.", 'The "Quill" Shop', "Æblehaven ApS")
ACCOUNTS = (("Meals", "6100"), ("Travel", "7310"), ("Büromaterial", "0650"), ("Software", "6805"), ("Fuel", "07"))
TAGS = (("PRJ-7", "PROJECT"), ("CC-010", "COST_CENTRE"), ("Köln", "SITE"))
NOTES = ("Team lunch", "Train to Malmö", "🎉 launch party\nwith two lines", 'He said "thanks"; 50 % off', None)
TAXES = ("inclusive", "exclusive", "reverse")
STATUSES = (
    "pending_approval", "parsed", "preparing", "prepared", "ready", "rejected_by_approver", "marked_as_paid",
    "scheduled", "payment_in_progress", "paid", "voided_by_user", "rejected_by_user", "failed_payment",
)  # fmt: skip
_checked: set[Kind] = set()


@dataclass(frozen=True)
class Company:
    """A company's master data, as it appears inside items."""

    id: str
    record: Json  # The company as served (``ExternalCompanyResponseModel``)
    currency: str
    users: list[Json]
    teams: list[Json]
    accounts: list[Json]
    contra: Json
    tags: list[Json]
    tax_id: str
    suppliers: list[Json]
    vendors: list[Json]
    negative_types: frozenset[str] = MONEY_BACK  # Types whose amounts are negative


def make_company(rng: Random, company_id: str, index: int, negative_types: frozenset[str] = MONEY_BACK) -> Company:
    """Return the ``index``-th company's master data."""
    currency, country = HOMES[index % len(HOMES)]
    return Company(
        id=company_id,
        record={
            "id": company_id,
            "name": f"Company {index + 1}",
            "organizationId": ORGANIZATION,
            "registrationNumber": f"R{index:06}",
            "address": {"addressLine1": f"High Street {index + 1}", "country": country},
        },
        currency=currency,
        users=[{"id": make_uuid(rng), "name": name, "code": f"E{number:03}"} for number, name in enumerate(PEOPLE)],
        teams=[{"id": make_uuid(rng), "name": name, "code": None} for name in ("Marketing", "Forschung")],
        accounts=[
            {"id": make_uuid(rng), "name": name, "code": code, "identifier": None} for name, code in ACCOUNTS
        ],
        contra={"id": make_uuid(rng), "name": f"Pleo {currency}", "code": "1240", "identifier": None},
        tags=[{"id": make_uuid(rng), "code": code, "groupCode": group} for code, group in TAGS],
        tax_id=make_uuid(rng),
        suppliers=[
            {"account": None, "categoryCode": "5812", "code": None, "country": country, "name": name,
             "taxIdentifier": f"{country}{number:09}"}
            for number, name in enumerate(SUPPLIERS)
        ],
        vendors=[
            {"id": make_uuid(rng), "name": name, "code": f"V{number:04}", "country": country,
             "defaultCurrency": currency, "externalId": f"ext-{number}", "registrationNumber": f"R{number:06}",
             "taxRegistrationNumber": f"{country}{number:09}"}
            for number, name in enumerate(SUPPLIERS)
        ],
        negative_types=negative_types,
    )  # fmt: skip


def money(value: Number, currency: str, wallet: str) -> Json:
    """Return an amount in supplier and wallet currency; ``value`` is in cents of the supplier's."""
    exchanged = value if currency == wallet else round(value * RATES.get(currency, OTHER_RATE) / RATES[wallet])
    return {
        "inSupplierCurrency": {"currency": currency, "value": value},
        "inWalletCurrency": {"currency": wallet, "value": exchanged},
    }


def make_line(rng: Random, company: Company, amount: Json, net: Json, tax: Json | None) -> Json:
    """Return an accounting entry line."""
    return {
        "accountingEntryLineId": make_uuid(rng),
        "lineAmount": amount,
        "netAmount": net,
        "account": dict(rng.choice(company.accounts)),
        "tags": [dict(tag) for tag in rng.sample(company.tags, rng.randrange(3))],
        "tax": tax,
    }


def _line_for(rng: Random, company: Company, kind: Kind, value: Number, currency: str) -> Json:
    amount, net = (money(value, currency, company.currency) for _ in range(2))
    line = make_line(rng, company, amount, net, None)
    if kind.type in SETTLEMENTS:
        line |= {"account": None, "tags": []}
    if kind.type in TAXED and isinstance(value, int):
        add_tax(line, {"id": company.tax_id, "code": "T19", "rate": Decimal("0.19"), "type": rng.choice(TAXES)})
    return line


def _invoice(rng: Random, company: Company, at: datetime) -> Json:
    return {
        "invoiceDate": stamp(at - timedelta(days=9)),
        "invoiceNumber": f"INV-{rng.randrange(10**6):06}",
        "status": rng.choice(STATUSES),
        "dueDate": stamp(at + timedelta(days=21)),
        "paymentDate": None,
        "supplierBankAccount": {
            "bankName": "Sparkasse Köln",
            "country": company.suppliers[0]["country"],
            "accountNumber": f"{rng.randrange(10**10):010}",
            "bankCode": "37050198",
            "bic": "COLSDE33",
            "iban": f"DE{rng.randrange(10**20):020}",
        },
    }


def make_item(rng: Random, company: Company, index: int, created: datetime, kinds: Sequence[Kind] = KINDS) -> Json:
    """Return the ``index``-th item of a job: an ``ExportItemV3``, unless its kind is hostile.

    The index alone decides its structure, ``rng`` its ids and values. It is up to 20 days older than the job.
    """
    kind = kinds[index % len(kinds)]
    currency = kind.currency or company.currency
    value: Number = rng.randrange(100, 250_000) if kind.value is None else kind.value
    if kind.type in company.negative_types:
        value = min(value, -value)
    at = created - timedelta(days=rng.randrange(1, 20), seconds=rng.randrange(86_400))
    book_id = f"CR4V{rng.randrange(36**5):09}"
    files = f"https://files.pleo.example/{company.id}/{book_id}"
    item: Json = {
        "_links": {"web": {"exportItem": f"https://app.pleo.example/export/{book_id}"}, "mobile": {}, "api": {}},
        "companyId": company.id,
        "accountingEntryId": make_uuid(rng),
        "type": kind.type,
        "subType": kind.sub_type,
        "date": stamp(at),
        "amount": money(value, currency, company.currency),
        "note": NOTES[rng.randrange(len(NOTES))],
        "files": [
            {"url": f"{files}/receipt.jpg?signature={rng.getrandbits(128):032x}", "type": "image/jpeg",
             "size": rng.randrange(1000, 10**6)}
        ],
        "supplier": None if kind.type in NO_SUPPLIER else dict(rng.choice(company.suppliers)),
        "user": None if kind.type in NO_USER else dict(rng.choice(company.users)),
        "team": None if kind.type in NO_USER else dict(rng.choice(company.teams)),
        "accountingEntryLines": [_line_for(rng, company, kind, value, currency)],
        "additionalInformation": {
            "reconciliationId": book_id,
            "attendees": [],
            "invoiceInformation": _invoice(rng, company, at) if kind.type in INVOICES else None,
            "reconciledEntries": None,
        },
        "contraAccount": dict(company.contra) if kind.type in MOVES_WALLET else None,
        "bookkeeping": {"method": kind.method} if kind.method else None,
        "vendor": dict(rng.choice(company.vendors)) if kind.method and kind.type in TAGGABLE else None,
        "servicePeriod": None,
    }  # fmt: skip
    if kind.employee is not None:
        item["user"] = dict(company.users[kind.employee])
    for oddity in kind.oddities:
        ODDITIES[oddity](item, rng)
    if kind not in _checked and HOSTILE.keys().isdisjoint(kind.oddities):
        # The kind decides the structure, so checking the first item of a kind is enough.
        require("ExportItemV3", item)
        _checked.add(kind)
    return item


def make_items(
    rng: Random, company: Company, count: int, created: datetime, kinds: Sequence[Kind] = KINDS
) -> list[Json]:
    """Return the first ``count`` items of a job, see ``make_item``."""
    # The garbage collector would take most of the time of a large job, and find nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return [make_item(rng, company, index, created, kinds) for index in range(count)]
    finally:
        if collecting:
            gc.enable()
