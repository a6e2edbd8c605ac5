"""Unusual items, by name: ones in Pleo's documented payloads, ones that its schemas allow, and ones beyond them.

Most are changes of members (``CHANGES``), the others functions. Either changes an item in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from sandbox.conformance import definition
from sandbox.jobs import stamp
from sandbox.values import make_uuid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.values import Json

Item = dict[str, Any]
Oddity = Callable[[Item, Random], None]

COUNTRIES: Final[tuple[str, ...]] = tuple(definition("CountryCode")["enum"])
FILE_TYPES: Final = (
    "application/pdf", "image/png", "text/plain", "application/vnd.ms-excel", "image/heic; quality=0.5",
)  # fmt: skip
FREE_TEXTS: Final = frozenset({
    "account", "accountNumber", "bankCode", "bankName", "bic", "categoryCode", "code", "externalId", "groupCode",
    "iban", "identifier", "invoiceNumber", "name", "note", "registrationNumber", "taxIdentifier",
    "taxRegistrationNumber",
})  # fmt: skip
STANDARD_RATE: Final = Decimal("0.19")
TAX_ACCOUNTS: Final[Mapping[str, Mapping[str, str]]] = {
    "exclusive": {"ingoingTaxAccount": "1575"},
    "reverse": {"ingoingTaxAccount": "1576", "outgoingTaxAccount": "1776"},
}
PARTS: Final = (Decimal("0.5"), Decimal("0.3"))
ABSENT: Final = object()
LINE, INFO = "accountingEntryLines.0", "additionalInformation"
INVOICE = f"{INFO}.invoiceInformation"

# By path: the new value, a function of the old one, or ABSENT. A path that ends with "+" appends to a list.
CHANGES: Final[dict[str, Mapping[str, Any]]] = {
    "account_missing": {"accountingEntryLines.-1.account": None},
    "account_without_code": {f"{LINE}.account.code": None, f"{LINE}.account.identifier": "gl-7f3a"},
    "contra_without_code": {"contraAccount.code": None, "contraAccount.identifier": "bank-01"},
    "no_lines": {"accountingEntryLines": []},
    "null_tag": {f"{LINE}.tags.+": None},
    "bare_files": {"files": lambda files: [{"url": file["url"]} for file in files]},
    "null_file": {"files.+": None},
    "many_files": {"files": lambda files: [{**files[0], "url": f"{files[0]['url']}&part={n}"} for n in range(5)]},
    "no_files": {"files": None},
    "null_team": {"team": None},
    "dates_only": {f"{INVOICE}.{name}": lambda date: date[:10] for name in ("invoiceDate", "dueDate")},
    "zone_offset": {"date": lambda date: date[:-1] + "+02:00"},
    "before_midnight": {"date": lambda date: f"{date[:10]}T23:59:59Z"},
    "after_midnight": {"date": lambda date: f"{date[:10]}T00:00:00Z"},
    "new_years_eve": {"date": lambda date: f"{int(date[:4]) - 1}-12-31T23:30:00Z"},
    "sub_type_absent": {"subType": ABSENT},
    "optional_absent": {
        **dict.fromkeys(("subType", "note", "files", "team", "bookkeeping", "vendor", "servicePeriod"), ABSENT),
        INFO: lambda info: {"reconciliationId": info["reconciliationId"]},
    },
    "attendees": {f"{INFO}.attendees": ["Ada Lovelace", "José Ñandú", None]},
    "supplier_empty": {"supplier": dict.fromkeys},
    "vendor_missing": {"vendor": None},
    "vendor_with_odd_country": {
        "vendor": lambda vendor: {**{n: vendor[n] for n in ("id", "name", "defaultCurrency")}, "country": "UK"}
    },
    # Not in Pleo's examples, but allowed by its schemas.
    "files_empty": {"files": []},
    "file_types": {
        "files": lambda files: [{**files[0], "type": type_, "size": size} for size, type_ in enumerate(FILE_TYPES)]
    },
    "other_links": {
        "_links": {
            "web": {"receipt": "https://app.pleo.example/receipt"},
            "mobile": {"expense": "pleo://expense"},
            "api": {"self": "https://external.pleo.example/v3/export-items"},
        }
    },
    "no_links": {"_links": {}},
    "parties_absent": dict.fromkeys(("contraAccount", "supplier", "user"), ABSENT),
    "line_members_absent": dict.fromkeys((f"{LINE}.account", f"{LINE}.tags", f"{LINE}.tax"), ABSENT),
    "line_members_null": dict.fromkeys((f"{LINE}.account", f"{LINE}.tags", f"{LINE}.tax")),
    "tax_code_null": {f"{LINE}.tax.code": None},
    "tax_code_absent": {f"{LINE}.tax.code": ABSENT},
    "supplier_in_erp": {"supplier.code": "S-0042", "supplier.account": "070042"},
    "vendor_bare": {"vendor": lambda vendor: {name: vendor[name] for name in ("id", "name", "defaultCurrency")}},
    "team_code": {"team.code": "007"},
    "codes_absent": {
        **dict.fromkeys(("user.code", "team.code", "contraAccount.code", "contraAccount.identifier"), ABSENT),
        **dict.fromkeys((f"{LINE}.account.code", f"{LINE}.account.identifier"), ABSENT),
    },
    "attendees_null": {f"{INFO}.attendees": None},
    "attendee_alone": {f"{INFO}.attendees": ["Ada Lovelace"]},
    "reconciled_nothing": {f"{INFO}.reconciledEntries": []},
    "reconciled_with_null": {f"{INFO}.reconciledEntries": ["CR4V000000001", None]},
    "invoice_nulls": dict.fromkeys(f"{INVOICE}.{name}" for name in ("dueDate", "paymentDate", "supplierBankAccount")),
    "invoice_bare": dict.fromkeys(
        (f"{INVOICE}.{name}" for name in ("dueDate", "paymentDate", "supplierBankAccount")), ABSENT
    ),
    "bank_account_bare": {f"{INVOICE}.supplierBankAccount": {"bankName": "Sparkasse Köln", "country": "UNDEFINED"}},
    **{
        f"country_{code}": dict.fromkeys(
            ("supplier.country", "vendor.country", f"{INVOICE}.supplierBankAccount.country"), code
        )
        for code in COUNTRIES
    },
}
# Beyond Pleo's schemas.
HOSTILE: Final[dict[str, Mapping[str, Any]]] = {
    "file_of_nothing": {"files.+": {"url": None, "type": None, "size": None}}
}


def _change(item: Item, _: Random, *, changes: Mapping[str, Any]) -> None:
    for path, value in changes.items():
        *parents, last = path.split(".")
        holder: Json = item
        for name in parents:
            holder = holder[int(name)] if isinstance(holder, list) else holder[name]
        if last == "+":
            holder.append(deepcopy(value))
        elif value is ABSENT:
            holder.pop(last, None)
        else:
            holder[last] = value(holder[last]) if callable(value) else deepcopy(value)


def _split_money(total: Item) -> list[Item]:
    """Divide an amount into three that add up to it exactly."""
    first, second = (round(total["value"] * part) for part in PARTS)
    rest = total["value"] - first - second
    return [{"currency": total["currency"], "value": value} for value in (first, second, rest)]


def split(item: Item, rng: Random) -> None:
    """Several lines, whose amounts add up to the item's; the first keeps its tags, none keeps the tax."""
    (line,) = item["accountingEntryLines"]
    supplier, wallet = (_split_money(item["amount"][side]) for side in ("inSupplierCurrency", "inWalletCurrency"))
    item["accountingEntryLines"] = [
        {
            **line,
            "accountingEntryLineId": make_uuid(rng),
            "account": dict(line["account"]),
            "tags": line["tags"] if number == 0 else [],
            "lineAmount": {"inSupplierCurrency": ours, "inWalletCurrency": theirs},
            "netAmount": {"inSupplierCurrency": dict(ours), "inWalletCurrency": dict(theirs)},
            "tax": None,
        }
        for number, (ours, theirs) in enumerate(zip(supplier, wallet, strict=True))
    ]


def nanoseconds(item: Item, rng: Random) -> None:
    """A timestamp with nine fractional digits."""
    item["date"] = f"{item['date'][:-1]}.{rng.randrange(10**9):09}Z"


def mixed_case_ids(item: Item, _: Random) -> None:
    """Upper-case letters within ids."""
    for name in ("accountingEntryId", "companyId"):
        item[name] = "".join(char.upper() if index % 2 else char for index, char in enumerate(item[name]))


def reconciled_entries(item: Item, rng: Random) -> None:
    """The expenses that a reimbursement settles."""
    item["additionalInformation"]["reconciledEntries"] = [f"CR4V{rng.randrange(10**9):09}" for _ in range(2)]


def service_period(item: Item, _: Random, *, days: int = 0) -> None:
    """The period that a service covers."""
    end = datetime.fromisoformat(item["date"]) + timedelta(days=days)
    item["servicePeriod"] = {"from": item["date"], "to": stamp(end)}


def invoice_paid(item: Item, _: Random) -> None:
    """An invoice with the date of its payment."""
    item["additionalInformation"]["invoiceInformation"] |= {"status": "paid", "paymentDate": item["date"]}


def add_tax(line: Item, tax: Item, unit: Decimal = Decimal(1)) -> None:
    """Tax a line by ``tax``, without its amount, to multiples of ``unit`` cents.

    An exclusive tax lowers the net amount. The net amount of an inclusive one is "with tax", in Pleo's words. With
    reverse charge the supplier bills no tax, so that net and gross are equal.
    """
    kind, rate, amounts = tax["type"], tax["rate"], {}
    for side, total in line["lineAmount"].items():
        part = rate if kind == "reverse" else rate / (1 + rate)
        value = (total["value"] * part).quantize(unit)
        amounts[side] = {**total, "value": value}
        if kind == "exclusive":
            line["netAmount"][side] = {**total, "value": total["value"] - value}
    line["tax"] = {**tax, **TAX_ACCOUNTS.get(kind, {}), "amount": amounts}


def _tax(
    item: Item, rng: Random, *, kind: str = "exclusive", rate: Decimal = STANDARD_RATE, unit: Decimal = Decimal(1)
) -> None:
    """Tax the first line."""
    line = item["accountingEntryLines"][0]
    line["netAmount"] = deepcopy(line["lineAmount"])
    add_tax(line, {"id": make_uuid(rng), "code": "T", "rate": rate, "type": kind}, unit)


def empty_texts(item: Item, _: Random) -> None:
    """Empty texts wherever a text is free."""
    item |= {
        "note": "",
        "team": {**item["team"], "code": ""},
        "supplier": {**item["supplier"], "code": "", "account": ""},
    }
    item["accountingEntryLines"][0]["tags"] = [{"id": item["accountingEntryId"], "code": "", "groupCode": ""}]
    _empty(item)


def _empty(value: Json) -> None:
    for name, member in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(member, dict | list):
            _empty(member)
        elif isinstance(member, str) and name in FREE_TEXTS:
            value[name] = ""


def unknown_values(item: Item, rng: Random) -> None:
    """Undocumented values, where Pleo's schemas allow any text."""
    _tax(item, rng, rate=Decimal("0.2"))
    item |= {"type": "gift_card", "subType": "gift_card_expired", "bookkeeping": {"method": "cash_basis"}}
    item["accountingEntryLines"][0]["tax"]["type"] = "exempt"
    item["additionalInformation"]["invoiceInformation"]["status"] = "disputed"


def _amounts(item: Item) -> Iterator[Item]:
    yield item["amount"]
    for line in item["accountingEntryLines"]:
        yield from (line["lineAmount"], line["netAmount"])
        if line["tax"]:
            yield line["tax"]["amount"]


def _wallet(item: Item, _: Random, *, currency: str) -> None:
    """A wallet in another currency."""
    for amount in _amounts(item):
        amount["inWalletCurrency"]["currency"] = currency


ODDITIES: Final[Mapping[str, Oddity]] = {
    **{name: partial(_change, changes=changes) for name, changes in (CHANGES | HOSTILE).items()},
    "long_service_period": partial(service_period, days=365),
    "exclusive_tax": _tax,
    "inclusive_tax": partial(_tax, kind="inclusive"),
    "reverse_charge": partial(_tax, kind="reverse"),
    "tax_rate_zero": partial(_tax, rate=Decimal(0)),
    "tax_rate_reduced": partial(_tax, rate=Decimal("0.055")),
    "tax_fractional": partial(_tax, rate=Decimal("0.081234567890123456789"), unit=Decimal("0.0001")),
    "wallet_in_dinars": partial(_wallet, currency="KWD"),
    "wallet_undefined": partial(_wallet, currency="UNDEFINED"),
    **{
        function.__name__: function
        for function in (
            split, nanoseconds, mixed_case_ids, reconciled_entries, service_period, invoice_paid, empty_texts,
            unknown_values,
        )
    },
}  # fmt: skip
