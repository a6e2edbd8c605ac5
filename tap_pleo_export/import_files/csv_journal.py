"""A journal as CSV: generic, with a row for each leg or for each pair of accounts, and for Xero and QuickBooks. No I/O.

Sources: https://help.xero.com/nz/ManualJournalsImport and QuickBooks' import of journal entries.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from tap_pleo_export.import_files import batch as shared
from tap_pleo_export.import_files.batch import Batch, File, Unsuitable, Written

if TYPE_CHECKING:
    from tap_pleo_export.books.vouchers import Leg, Voucher

XERO_LINES = 300
"""Lines that Xero takes in one file; the header is counted as one of them."""
_MOST_XERO_TAGS = 2
Row = dict[str, str]


class CsvOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table `[csv]` of the configuration.

    Attributes:
        preset: Whose columns the file has.
        rows: generic: a row for each leg, or for each pair of account and counter account.
        positive: generic: which amounts have no minus sign.
        delimiter: generic.
        decimal_mark: generic.
        currency: Currency of the books; required by Xero and QuickBooks, otherwise empty for all currencies.
        tag_groups: Codes of tag groups: a column for each (generic), or the tracking categories (Xero, two at most).
        date_format: Of `strftime`; by default ISO 8601, for Xero day/month/year, for QuickBooks month/day/year.
        tax_rate: Xero: name of a tax rate of 0 %, for all lines: tax is on separate lines.
        account_names: QuickBooks: name by account code, if it is not the account's name in Pleo.
    """

    preset: Literal["generic", "xero", "quickbooks"] = "generic"
    rows: Literal["leg", "pair"] = "leg"
    positive: Literal["debit", "credit"] = "debit"
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","
    decimal_mark: Literal[".", ","] = "."
    currency: str = ""
    tag_groups: list[str] = []
    date_format: str = ""
    tax_rate: str = "Tax Exempt"
    account_names: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Check what depends on the preset."""
        if self.preset != "generic" and not self.currency:
            raise ValueError(f"preset {self.preset!r} requires the currency of the books")
        if self.preset == "xero" and len(self.tag_groups) > _MOST_XERO_TAGS:
            raise ValueError("Xero has two tracking categories: name at most two tag_groups")


def write(vouchers: Iterable[Voucher], options: CsvOptions, batch: Batch) -> Written:
    """Return the files of a month, and the vouchers that they cannot take."""
    changes: Counter[str] = Counter()
    preset = {"generic": _generic, "xero": _xero, "quickbooks": _quickbooks}[options.preset]
    decimals = None if options.preset == "generic" else 2

    def rows(voucher: Voucher) -> list[Row]:
        shared.check(voucher, batch, options.currency, decimals)
        return list(preset(voucher, options, changes))

    taken, refusals = shared.sort_out(vouchers, rows)
    files = [_file(part, own, options, batch) for part, own in enumerate(_parts(taken, options), 1)]
    return Written(files, refusals, changes)


def _parts(taken: list[tuple[Voucher, list[Row]]], options: CsvOptions) -> Iterator[list[tuple[Voucher, list[Row]]]]:
    """Yield the vouchers of each file: one, or as many as Xero's limit allows."""
    part: list[tuple[Voucher, list[Row]]] = []
    lines = 1
    for voucher, rows in taken:
        if options.preset == "xero" and part and lines + len(rows) > XERO_LINES:
            yield part
            part, lines = [], 1
        part.append((voucher, rows))
        lines += len(rows)
    if part:
        yield part


def _file(part: int, taken: list[tuple[Voucher, list[Row]]], options: CsvOptions, batch: Batch) -> File:
    text = io.StringIO(newline="")
    generic = options.preset == "generic"
    writer = csv.DictWriter(text, list(taken[0][1][0]), delimiter=options.delimiter if generic else ",")
    writer.writeheader()
    for number, (_, rows) in enumerate(taken, 1):
        # QuickBooks groups rows by number, at most 21 characters, which no other file may use.
        own = {"JournalNo": f"P{batch.month:%y%m}-{batch.number}-{number}"} if options.preset == "quickbooks" else {}
        writer.writerows(row | own for row in rows)
    name = batch.file_name(f"Pleo_{options.preset}_", "csv", part if options.preset == "xero" else 0)
    return File(name, text.getvalue().encode(), tuple(voucher.id for voucher, _ in taken))


def _generic(voucher: Voucher, options: CsvOptions, changes: Counter[str]) -> Iterator[Row]:
    date_format = options.date_format or "%Y-%m-%d"
    party = voucher.vendor or voucher.employee
    head = {
        "voucher_id": voucher.id,
        "kind": voucher.kind,
        "reverses": voucher.reverses,
        "document": voucher.document,
        "journal": voucher.journal,
        "posting_date": voucher.posting_date.strftime(date_format),
        "voucher_date": voucher.voucher_date.strftime(date_format),
        "due_date": voucher.due_date.strftime(date_format) if voucher.due_date else "",
        "document_number": shared.fit(voucher.number, "document_number", changes),
        "text": shared.fit(shared.described(voucher), "text", changes),
        "party_code": party.code or party.external_id,
        "party_name": party.name,
        "employee": voucher.employee.name,
        "currency": voucher.currency,
        "receipt": voucher.files[0] if voucher.files else "",
        "web_link": voucher.web_link,
    }
    pairs = shared.against_counter(voucher) if options.rows == "pair" else [(leg, None) for leg in voucher.legs]
    for leg, counter in pairs:
        yield head | {
            "account": leg.account,
            "account_name": leg.account_name,
            **({"counter_account": counter.account} if counter else {}),
            "amount": _signed(leg.amount, options),
            "vat": leg.vat,
            "tax_code": leg.tax_code,
            "tax_amount": "" if leg.tax_amount is None else _signed(leg.tax_amount, options),
            **{f"tag_{group}": shared.only_code(leg, group) for group in options.tag_groups},
        }


def _signed(amount: Decimal, options: CsvOptions) -> str:
    return format(amount if options.positive == "debit" else -amount, "f").replace(".", options.decimal_mark)


def _xero(voucher: Voucher, options: CsvOptions, changes: Counter[str]) -> Iterator[Row]:
    if len(voucher.legs) >= XERO_LINES:
        raise Unsuitable(f"more than {XERO_LINES - 1} legs, Xero's limit of a file: split the entry")
    # Xero makes one journal of the rows with one narration and date, so the narration has the voucher's id.
    narration = f"{shared.fit(shared.described(voucher), 'narration', changes)} [{voucher.id}]".strip()
    for leg in voucher.legs:
        _refuse_gross(leg, "Xero would add tax to its amount")
        tracking = [(group, shared.only_code(leg, group)) for group in options.tag_groups]
        tracking = [(group, code) if code else ("", "") for group, code in tracking] + [("", "")] * 2
        yield {
            "*Narration": narration,
            "*Date": voucher.posting_date.strftime(options.date_format or "%d/%m/%Y"),
            "Description": voucher.number,
            "*AccountCode": leg.account,
            "*TaxRate": options.tax_rate,
            "*Amount": shared.cents(leg.amount),
            **{f"Tracking{kind}{n}": tracking[n - 1][kind == "Option"] for n in (1, 2) for kind in ("Name", "Option")},
        }


def _quickbooks(voucher: Voucher, options: CsvOptions, changes: Counter[str]) -> Iterator[Row]:
    text = shared.fit(f"{shared.described(voucher)} {voucher.number}".strip(), "Description", changes)
    for leg in voucher.legs:
        _refuse_gross(leg, "QuickBooks' journals take no tax codes of it")
        name = options.account_names.get(leg.account) or leg.account_name
        if not name:
            raise Unsuitable(f"account {leg.account} has no name: add it to [csv.account_names], as QuickBooks has it")
        party = voucher.party(leg).name
        if leg.role == "accountsPayable" and not party:
            raise Unsuitable(f"leg {leg.number} is a payable without a vendor: choose the vendor in Pleo")
        yield {
            "JournalNo": "",
            "JournalDate": voucher.posting_date.strftime(options.date_format or "%m/%d/%Y"),
            "AccountName": name,
            "Debits": shared.cents(leg.amount) if leg.amount > 0 else "",
            "Credits": shared.cents(-leg.amount) if leg.amount <= 0 else "",
            "Description": text,
            "Name": party,
        }


def _refuse_gross(leg: Leg, why: str) -> None:
    if shared.has_unsplit_tax(leg):
        raise Unsuitable(
            f"leg {leg.number} is gross with tax code {leg.tax_code!r}, {why}: build the models with pleo_vat: split,"
            " and see pleo__vat_exceptions"
        )
