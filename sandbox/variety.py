"""What Pleo's schemas allow beside ``oddities``: one function per variety; and what no text of Pleo's shows."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sandbox.conformance import definition
from sandbox.jobs import stamp
from sandbox.values import make_uuid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from sandbox.oddities import Oddity

Json = dict[str, Any]
COUNTRIES: Final[tuple[str, ...]] = tuple(definition("CountryCode")["enum"])
FILE_TYPES = ("application/pdf", "image/png", "text/plain", "application/vnd.ms-excel", "image/heic; quality=0.5")
TEXTS = frozenset({
    "account", "accountNumber", "bankCode", "bankName", "bic", "categoryCode", "code", "externalId", "groupCode",
    "iban", "identifier", "invoiceNumber", "name", "note", "registrationNumber", "taxIdentifier",
    "taxRegistrationNumber",
})  # fmt: skip


def files_empty(item: Json, _: Random) -> None:
    """An empty list of files."""
    item["files"] = []


def file_types(item: Json, _: Random) -> None:
    """Files of other types, one of them empty."""
    (file,) = item["files"]
    item["files"] = [{**file, "type": type_, "size": size} for size, type_ in enumerate(FILE_TYPES)]


def other_links(item: Json, _: Random) -> None:
    """Links of other names."""
    item["_links"] = {"web": {"receipt": "https://app.pleo.example/receipt"}, "mobile": {"expense": "pleo://expense"},
                      "api": {"self": "https://external.pleo.example/v3/export-items"}}  # fmt: skip


def no_links(item: Json, _: Random) -> None:
    """No kind of link."""
    item["_links"] = {}


def parties_absent(item: Json, _: Random) -> None:
    """Neither contra account, nor supplier, nor user."""
    for name in ("contraAccount", "supplier", "user"):
        del item[name]


def long_service_period(item: Json, _: Random) -> None:
    """A service of a year."""
    end = datetime.fromisoformat(item["date"]) + timedelta(days=365)
    item["servicePeriod"] = {"from": item["date"], "to": stamp(end)}


def line_members_absent(item: Json, _: Random) -> None:
    """A line of amounts alone."""
    for name in ("account", "tags", "tax"):
        del item["accountingEntryLines"][0][name]


def line_members_null(item: Json, _: Random) -> None:
    """A line with nulls for all but its amounts."""
    item["accountingEntryLines"][0] |= dict.fromkeys(("account", "tags", "tax"))


def _tax(item: Json, rng: Random, rate: Decimal, unit: Decimal) -> None:
    """Tax the first line at ``rate``, to multiples of ``unit`` cents; net and tax still add up to the line."""
    line = item["accountingEntryLines"][0]
    tax, net = {}, {}
    for side, total in line["lineAmount"].items():
        value = (total["value"] - total["value"] / (1 + rate)).quantize(unit)
        tax[side] = {**total, "value": value}
        net[side] = {**total, "value": total["value"] - value}
    line |= {
        "netAmount": net,
        "tax": {"id": make_uuid(rng), "code": "T", "rate": rate, "type": "exclusive", "amount": tax},
    }


def tax_rate_zero(item: Json, rng: Random) -> None:
    """Tax of 0 %."""
    _tax(item, rng, Decimal(0), Decimal(1))


def tax_rate_reduced(item: Json, rng: Random) -> None:
    """Tax of 5.5 %."""
    _tax(item, rng, Decimal("0.055"), Decimal(1))


def tax_fractional(item: Json, rng: Random) -> None:
    """Tax in fractions of a cent, at a rate with more digits."""
    _tax(item, rng, Decimal("0.081234567890123456789"), Decimal("0.0001"))


def tax_code_null(item: Json, _: Random) -> None:
    """Tax without code."""
    item["accountingEntryLines"][0]["tax"]["code"] = None


def tax_code_absent(item: Json, _: Random) -> None:
    """Tax without even a null for the code."""
    del item["accountingEntryLines"][0]["tax"]["code"]


def supplier_in_erp(item: Json, _: Random) -> None:
    """A supplier with code and account."""
    item["supplier"] |= {"code": "S-0042", "account": "070042"}


def vendor_bare(item: Json, _: Random) -> None:
    """A vendor without optional members."""
    item["vendor"] = {name: item["vendor"][name] for name in ("id", "name", "defaultCurrency")}


def team_code(item: Json, _: Random) -> None:
    """A team with a code."""
    item["team"]["code"] = "007"


def codes_absent(item: Json, _: Random) -> None:
    """User, team and accounts without codes."""
    for holder in (item["user"], item["team"], item["contraAccount"], item["accountingEntryLines"][0]["account"]):
        holder.pop("code")
        holder.pop("identifier", None)


def attendees_null(item: Json, _: Random) -> None:
    """Null instead of attendees."""
    item["additionalInformation"]["attendees"] = None


def attendee_alone(item: Json, _: Random) -> None:
    """One attendee."""
    item["additionalInformation"]["attendees"] = ["Ada Lovelace"]


def reconciled_nothing(item: Json, _: Random) -> None:
    """An empty list of settled expenses."""
    item["additionalInformation"]["reconciledEntries"] = []


def reconciled_with_null(item: Json, _: Random) -> None:
    """A null among the settled expenses."""
    item["additionalInformation"]["reconciledEntries"] = ["CR4V000000001", None]


def invoice_paid(item: Json, _: Random) -> None:
    """An invoice with the date of its payment."""
    item["additionalInformation"]["invoiceInformation"] |= {"status": "paid", "paymentDate": item["date"]}


def invoice_nulls(item: Json, _: Random) -> None:
    """An invoice with nulls for all optional members."""
    item["additionalInformation"]["invoiceInformation"] |= dict.fromkeys(
        ("dueDate", "paymentDate", "supplierBankAccount")
    )


def invoice_bare(item: Json, _: Random) -> None:
    """An invoice without optional members."""
    for name in ("dueDate", "paymentDate", "supplierBankAccount"):
        del item["additionalInformation"]["invoiceInformation"][name]


def bank_account_bare(item: Json, _: Random) -> None:
    """A bank account of bank and country alone, the country unknown."""
    bank = {"bankName": "Sparkasse Köln", "country": "UNDEFINED"}
    item["additionalInformation"]["invoiceInformation"]["supplierBankAccount"] = bank


def empty_texts(item: Json, _: Random) -> None:
    """Empty texts wherever a text is free."""
    item |= {
        "note": "",
        "team": {**item["team"], "code": ""},
        "supplier": {**item["supplier"], "code": "", "account": ""},
    }
    item["accountingEntryLines"][0]["tags"] = [{"id": item["accountingEntryId"], "code": "", "groupCode": ""}]
    _empty(item)


def _empty(value: Any) -> None:  # noqa: ANN401 - any JSON value
    for name, member in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(member, dict | list):
            _empty(member)
        elif isinstance(member, str) and name in TEXTS:
            value[name] = ""


def unknown_values(item: Json, rng: Random) -> None:
    """Values beyond the documented ones, where Pleo's schemas have open texts."""
    _tax(item, rng, Decimal("0.2"), Decimal(1))
    item |= {"type": "gift_card", "subType": "gift_card_expired", "bookkeeping": {"method": "cash_basis"}}
    item["accountingEntryLines"][0]["tax"]["type"] = "exempt"
    item["additionalInformation"]["invoiceInformation"]["status"] = "disputed"


def _amounts(item: Json) -> Iterator[Json]:
    yield item["amount"]
    for line in item["accountingEntryLines"]:
        yield from (line["lineAmount"], line["netAmount"])
        if line["tax"]:
            yield line["tax"]["amount"]


def wallet_in_dinars(item: Json, _: Random) -> None:
    """A wallet in a currency of three decimals."""
    for amount in _amounts(item):
        amount["inWalletCurrency"]["currency"] = "KWD"


def wallet_undefined(item: Json, _: Random) -> None:
    """A wallet in no known currency."""
    for amount in _amounts(item):
        amount["inWalletCurrency"]["currency"] = "UNDEFINED"


def _in_country(item: Json, _: Random, *, code: str) -> None:
    """Supplier, vendor and bank of one country."""
    bank = item["additionalInformation"]["invoiceInformation"]["supplierBankAccount"]
    for holder in (item["supplier"], item["vendor"], bank):
        holder["country"] = code


def file_of_nothing(item: Json, _: Random) -> None:
    """A file of which nothing is known."""
    item["files"].append({"url": None, "type": None, "size": None})


VARIETY: Final[Mapping[str, Oddity]] = {
    function.__name__: function
    for function in (
        files_empty, file_types, other_links, no_links, parties_absent, long_service_period, line_members_absent,
        line_members_null, tax_rate_zero, tax_rate_reduced, tax_fractional, tax_code_null, tax_code_absent,
        supplier_in_erp, vendor_bare, team_code, codes_absent, attendees_null, attendee_alone, reconciled_nothing,
        reconciled_with_null, invoice_paid, invoice_nulls, invoice_bare, bank_account_bare, empty_texts,
        unknown_values, wallet_in_dinars, wallet_undefined,
    )
} | {f"country_{code}": partial(_in_country, code=code) for code in COUNTRIES}  # fmt: skip

HOSTILE: Final[Mapping[str, Oddity]] = {"file_of_nothing": file_of_nothing}
