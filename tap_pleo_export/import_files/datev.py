"""DATEV-Format, Buchungsstapel: EXTF 700, category 21, version 13. No I/O.

Source: https://developer.datev.de/datev/platform/de/dtvf/formate (header and Buchungsstapel).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from tap_pleo_export.import_files import batch as shared
from tap_pleo_export.import_files.batch import Batch, File, Unsuitable, Written
from tap_pleo_export.singer.schema_files import shipped

if TYPE_CHECKING:
    from tap_pleo_export.books.vouchers import Leg, Voucher

_ENCODING = "cp1252"
_MOST_DIGITS = 10
_COST_CENTRE = re.compile(r"[\w ]{1,36}")
_NOT_IN_NUMBERS = re.compile(r"[^A-Za-z0-9$&%*+/-]")

Key = Annotated[str, msgspec.Meta(pattern=r"^(\d{1,4})?$")]
Account = Annotated[str, msgspec.Meta(pattern=r"^\d{5,9}$")]


class DatevOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table `[datev]` of the configuration.

    Attributes:
        consultant: Beraternummer.
        client: Mandantennummer.
        account_length: Sachkontenlänge; personal accounts have one digit more.
        fiscal_year_start_month: Month in which the fiscal year begins.
        chart: Sachkontenrahmen, if it is 03 or 04.
        cost_centre_1: Code of the tag group that becomes KOST1.
        cost_centre_2: The same for KOST2.
        vendors: Personal account by the vendor's code or external id; others keep the voucher's account.
        employees: Personal account by the employee's code; others keep the voucher's account.
        tax_keys: BU key by tax code, for gross amounts; an empty key books a code without one.
        net_key: BU key of net and tax rows, if their accounts compute tax themselves (40 switches that off).
        receipt_link: Beleglink, made of {web_link}, {path} (of the first receipt) and {name} (of its file).
        final: Whether DATEV makes the rows unchangeable (Festschreibung).
        general_reversal: Whether reversals are marked as Generalumkehr, on the sides of the reversed booking.
    """

    consultant: Annotated[int, msgspec.Meta(ge=1001, le=9999999)]
    client: Annotated[int, msgspec.Meta(ge=1, le=99999)]
    account_length: Annotated[int, msgspec.Meta(ge=4, le=8)] = 4
    fiscal_year_start_month: Annotated[int, msgspec.Meta(ge=1, le=12)] = 1
    chart: Literal["", "03", "04"] = ""
    currency: str = "EUR"
    cost_centre_1: str = ""
    cost_centre_2: str = ""
    vendors: dict[str, Account] = {}
    employees: dict[str, Account] = {}
    tax_keys: dict[str, Key] = {}
    net_key: Key = ""
    receipt_link: str = "{web_link}"
    final: bool = False
    general_reversal: bool = False


def write(vouchers: Iterable[Voucher], options: DatevOptions, batch: Batch) -> Written:
    """Return the file of a posting period, and the vouchers that it cannot take."""
    changes: Counter[str] = Counter()
    taken, refusals = shared.sort_out(vouchers, lambda voucher: list(_rows(voucher, options, batch, changes)))
    if not taken:
        return Written(refusals=refusals)
    columns = shipped("datev_columns.json")
    lines = [_header(options, batch), ";".join(column["name"] for column in columns)]
    lines += [
        ";".join(
            _quoted(row.get(column["name"], "")) if column["text"] else row.get(column["name"], "")
            for column in columns
        )
        for _, rows in taken
        for row in rows
    ]
    content = "".join(f"{line}\r\n" for line in lines).encode(_ENCODING)
    name = batch.file_name("EXTF_Pleo_", "csv")
    return Written([File(name, content, tuple(voucher.id for voucher, _ in taken))], refusals, changes)


def _header(options: DatevOptions, batch: Batch) -> str:
    fiscal_year = batch.month.replace(month=options.fiscal_year_start_month)
    if fiscal_year > batch.month:
        fiscal_year = fiscal_year.replace(year=fiscal_year.year - 1)
    created = f"{batch.created:%Y%m%d%H%M%S}{batch.created.microsecond // 1000:03}"
    fields = [
        *('"EXTF"', "700", "21", '"Buchungsstapel"', "13", created, "", '"RE"', '""', '""'),
        *(str(options.consultant), str(options.client), f"{fiscal_year:%Y%m%d}", str(options.account_length)),
        *(f"{batch.month:%Y%m%d}", f"{batch.last_day:%Y%m%d}", f'"Pleo {batch.month:%m/%Y} {batch.number}"', '""'),
        *("1", "0", str(int(options.final)), _quoted(options.currency), "", '""', "", ""),
        *(_quoted(options.chart), "", "", '""', '""'),
    ]
    return ";".join(fields)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _rows(voucher: Voucher, options: DatevOptions, batch: Batch, changes: Counter[str]) -> Iterator[dict[str, str]]:
    shared.check(voucher, batch, options.currency)
    for leg in voucher.legs:
        if not leg.amount:
            raise Unsuitable(
                f"leg {leg.number} has the amount 0.00, which DATEV does not take: remove the line in Pleo"
            )
        if abs(leg.amount) >= 10**_MOST_DIGITS:
            raise Unsuitable(f"leg {leg.number} has more than {_MOST_DIGITS} digits: split the entry")
    pairs = shared.against_counter(voucher)
    # Only once nothing is left that refuses the voucher: changes of its texts count.
    rows = [_booking(leg, counter, voucher, options) for leg, counter in pairs]
    document = _document(voucher, options, changes)
    return (document | row for row in rows)


def _booking(leg: Leg, counter: Leg, voucher: Voucher, options: DatevOptions) -> dict[str, str]:
    is_general_reversal = options.general_reversal and voucher.kind == "reversal"
    return {
        "Umsatz (ohne Soll/Haben-Kz)": shared.cents(abs(leg.amount), ","),
        "Soll/Haben-Kennzeichen": "S" if (leg.amount > 0) != is_general_reversal else "H",
        "WKZ Umsatz": voucher.currency,
        "Konto": _account(leg, voucher, options),
        "Gegenkonto (ohne BU-Schlüssel)": _account(counter, voucher, options),
        "BU-Schlüssel": _key(leg, options),
        "KOST1 - Kostenstelle": _cost_centre(leg, options.cost_centre_1),
        "KOST2 - Kostenstelle": _cost_centre(leg, options.cost_centre_2),
        "Generalumkehr (GU)": "1" if is_general_reversal else "",
    }


def _account(leg: Leg, voucher: Voucher, options: DatevOptions) -> str:
    party = voucher.party(leg)
    accounts = options.employees if leg.role == "outOfPocket" else options.vendors
    own = next((accounts[key] for key in (party.code, party.external_id) if key in accounts), None)
    return shared.check_number(own or leg.account, options.account_length + 1, "DATEV")


def _key(leg: Leg, options: DatevOptions) -> str:
    if leg.vat in {"net", "tax"}:
        return options.net_key and options.net_key.zfill(4)
    if leg.vat != "gross":
        return ""
    key = options.tax_keys.get(leg.tax_code)
    if key is None and shared.has_unsplit_tax(leg):
        raise Unsuitable(
            f"leg {leg.number} is gross with tax code {leg.tax_code!r}: give the code a BU key in [datev.tax_keys]"
        )
    return key.zfill(4) if key else ""


def _cost_centre(leg: Leg, group: str) -> str:
    code = shared.only_code(leg, group)
    if code and not (_COST_CENTRE.fullmatch(code) and code == shared.fit(code, "", Counter(), encoding=_ENCODING)):
        raise Unsuitable(
            f"tag {code!r} of {group!r} cannot be a cost centre: use up to 36 letters, digits, spaces and underscores"
        )
    return code


def _document(voucher: Voucher, options: DatevOptions, changes: Counter[str]) -> dict[str, str]:
    """Return the fields that all rows of a voucher share."""

    def fit(text: str, place: str, length: int) -> str:
        return shared.fit(text, place, changes, length, _ENCODING)

    number = _NOT_IN_NUMBERS.sub("", voucher.number)
    if number != voucher.number:
        changes["Belegfeld 1: characters that DATEV does not allow, left out"] += 1
    information = {"Pleo": voucher.id, "Rechnungsnummer": voucher.number if number != voucher.number else ""}
    if voucher.posting_date != voucher.voucher_date:
        information["Belegdatum"] = _german(voucher.voucher_date, ".")
    if voucher.kind == "reversal":
        information["Storno von"] = voucher.reverses
    fields = {
        "Belegdatum": f"{voucher.posting_date:%d%m}",
        "Belegfeld 1": fit(number, "Belegfeld 1", 36),
        "Buchungstext": fit(shared.described(voucher), "Buchungstext", 60),
        "Beleglink": _link(voucher, options.receipt_link, changes),
        "Festschreibung": str(int(options.final)),
        "Fälligkeit": _german(voucher.due_date) if voucher.due_date else "",
    }
    for place, (kind, text) in enumerate(((kind, text) for kind, text in information.items() if text), 1):
        fields[f"Beleginfo - Art {place}"] = kind
        fields[f"Beleginfo - Inhalt {place}"] = fit(text, "Beleginfo", 210)
    return fields


def _link(voucher: Voucher, template: str, changes: Counter[str]) -> str:
    """Return the Beleglink; empty if a part of it is missing, or if it does not fit: half a link leads nowhere."""
    path = voucher.files[0] if voucher.files else ""
    parts = {"web_link": voucher.web_link, "path": path, "name": PurePosixPath(path).name}
    if any(f"{{{part}}}" in template and not value for part, value in parts.items()):
        return ""
    link = template
    for part, value in parts.items():
        link = link.replace(f"{{{part}}}", value)
    if len(link) > 210 or link != shared.fit(link, "", Counter(), encoding=_ENCODING):  # noqa: PLR2004 - the field
        changes["Beleglink: too long, or characters that cp1252 does not have, left out"] += 1
        return ""
    return link


def _german(day: date, mark: str = "") -> str:
    return day.strftime(f"%d{mark}%m{mark}%Y")
