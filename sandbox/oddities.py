"""What Pleo's documented payloads do that its schemas do not lead one to expect: one function per oddity."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any, Final

from sandbox.values import make_uuid

Json = dict[str, Any]
Oddity = Callable[[Json, Random], None]
PARTS = (Decimal("0.5"), Decimal("0.3"))


def _mixed(text: str) -> str:
    return "".join(char.upper() if index % 2 else char for index, char in enumerate(text))


def _parts(total: Json) -> list[Json]:
    """Divide a Money in three that add up to it exactly."""
    first, second = (round(total["value"] * part) for part in PARTS)
    rest = total["value"] - first - second
    return [{"currency": total["currency"], "value": value} for value in (first, second, rest)]


def split(item: Json, rng: Random) -> None:
    """Several lines, whose amounts add up to the item's; the first keeps its tags, none keeps the tax."""
    (line,) = item["accountingEntryLines"]
    supplier, wallet = (_parts(item["amount"][side]) for side in ("inSupplierCurrency", "inWalletCurrency"))
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


def account_missing(item: Json, _: Random) -> None:
    """No GL account on the last line."""
    item["accountingEntryLines"][-1]["account"] = None


def account_without_code(item: Json, _: Random) -> None:
    """A GL account known by the accounting system's identifier alone."""
    item["accountingEntryLines"][0]["account"] |= {"code": None, "identifier": "gl-7f3a"}


def contra_without_code(item: Json, _: Random) -> None:
    """A contra account known by the accounting system's identifier alone."""
    item["contraAccount"] |= {"code": None, "identifier": "bank-01"}


def no_lines(item: Json, _: Random) -> None:
    """No accounting entry line at all."""
    item["accountingEntryLines"] = []


def null_tag(item: Json, _: Random) -> None:
    """A null among the tags."""
    item["accountingEntryLines"][0]["tags"].append(None)


def bare_files(item: Json, _: Random) -> None:
    """Files without type and size."""
    item["files"] = [{"url": file["url"]} for file in item["files"]]


def null_file(item: Json, _: Random) -> None:
    """A null among the files."""
    item["files"].append(None)


def many_files(item: Json, _: Random) -> None:
    """Several files, in upload order."""
    (file,) = item["files"]
    item["files"] = [{**file, "url": f"{file['url']}&part={part}"} for part in range(5)]


def no_files(item: Json, _: Random) -> None:
    """Null instead of an empty list."""
    item["files"] = None


def null_team(item: Json, _: Random) -> None:
    """No team."""
    item["team"] = None


def dates_only(item: Json, _: Random) -> None:
    """Invoice dates without time of day."""
    invoice = item["additionalInformation"]["invoiceInformation"]
    invoice |= {name: invoice[name][:10] for name in ("invoiceDate", "dueDate")}


def nanoseconds(item: Json, rng: Random) -> None:
    """A timestamp with nine fractional digits."""
    item["date"] = f"{item['date'][:-1]}.{rng.randrange(10**9):09}Z"


def zone_offset(item: Json, _: Random) -> None:
    """A timestamp with a zone other than Z."""
    item["date"] = item["date"][:-1] + "+02:00"


def mixed_case_ids(item: Json, _: Random) -> None:
    """Upper-case letters within ids."""
    item["accountingEntryId"] = _mixed(item["accountingEntryId"])
    item["companyId"] = _mixed(item["companyId"])


def sub_type_absent(item: Json, _: Random) -> None:
    """No ``subType`` instead of null."""
    del item["subType"]


def optional_absent(item: Json, _: Random) -> None:
    """Absent members instead of nulls."""
    for name in ("subType", "note", "files", "team", "bookkeeping", "vendor", "servicePeriod"):
        del item[name]
    item["additionalInformation"] = {"reconciliationId": item["additionalInformation"]["reconciliationId"]}


def attendees(item: Json, _: Random) -> None:
    """People at a dinner, one of them null."""
    item["additionalInformation"]["attendees"] = ["Ada Lovelace", "José Ñandú", None]


def reconciled_entries(item: Json, rng: Random) -> None:
    """The expenses that a reimbursement settles."""
    item["additionalInformation"]["reconciledEntries"] = [f"CR4V{rng.randrange(10**9):09}" for _ in range(2)]


def service_period(item: Json, _: Random) -> None:
    """The period a service covers."""
    item["servicePeriod"] = {"from": item["date"], "to": item["date"]}


def supplier_empty(item: Json, _: Random) -> None:
    """A supplier of which nothing is known."""
    item["supplier"] = dict.fromkeys(item["supplier"])


def vendor_missing(item: Json, _: Random) -> None:
    """No vendor although accounts payable needs one."""
    item["vendor"] = None


def vendor_with_odd_country(item: Json, _: Random) -> None:
    """A country code that ISO 3166 does not assign, and no optional member else."""
    kept = {name: item["vendor"][name] for name in ("id", "name", "defaultCurrency")}
    item["vendor"] = {**kept, "country": "UK"}


ODDITIES: Final[dict[str, Oddity]] = {
    function.__name__: function
    for function in (
        split, account_missing, account_without_code, contra_without_code, no_lines, null_tag, bare_files,
        null_file, many_files, no_files, null_team, dates_only, nanoseconds, zone_offset, mixed_case_ids,
        sub_type_absent, optional_absent, attendees, reconciled_entries, service_period, supplier_empty,
        vendor_missing, vendor_with_odd_country,
    )
}  # fmt: skip
