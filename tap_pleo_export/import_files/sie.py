"""SIE 4I, the Swedish format for vouchers from other systems (https://sie.se): CP437, one currency. No I/O."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import msgspec

from tap_pleo_export.import_files import batch as shared
from tap_pleo_export.import_files.batch import Batch, File, Unsuitable, Written

if TYPE_CHECKING:
    from tap_pleo_export.books.vouchers import Leg, Voucher

_ENCODING = "cp437"
_COST_CENTRE, _PROJECT = "1", "6"
_LONGEST_ACCOUNT = 8
_SYNTAX = set('{}"\\')


class SieOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table `[sie]` of the configuration.

    Attributes:
        company_name: Name of the company.
        organisation_number: Organisationsnummer.
        series: Series of the vouchers, which the receiver numbers.
        currency: Currency of the books.
        cost_centre: Code of the tag group that becomes dimension 1, Kostnadsställe.
        project: Code of the tag group that becomes dimension 6, Projekt.
        allow_gross: Whether lines with unsplit tax are booked gross, without VAT; SIE has no tax codes.
    """

    company_name: Annotated[str, msgspec.Meta(min_length=1)]
    organisation_number: Annotated[str, msgspec.Meta(pattern=r"^(\d{6}-?\d{4})?$")] = ""
    series: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]{1,10}$")] = "P"
    currency: str = "SEK"
    cost_centre: str = ""
    project: str = ""
    allow_gross: bool = False


def write(vouchers: Iterable[Voucher], options: SieOptions, batch: Batch) -> Written:
    """Return the file of a month, and the vouchers that it cannot take."""
    changes: Counter[str] = Counter()
    taken, refusals = shared.sort_out(vouchers, lambda voucher: _voucher(voucher, options, batch, changes))
    if not taken:
        return Written(refusals=refusals)
    lines = [
        "#FLAGGA 0",
        f"#PROGRAM {_quoted('pleo-export-files')} {_quoted(version('tap-pleo-export'))}",
        "#FORMAT PC8",
        f"#GEN {batch.created:%Y%m%d}",
        "#SIETYP 4",
        *([f"#ORGNR {options.organisation_number}"] if options.organisation_number else []),
        f"#FNAMN {_quoted(shared.fit(options.company_name, 'company_name', changes, encoding=_ENCODING))}",
        *([f"#VALUTA {options.currency}"] if options.currency != "SEK" else []),
    ]
    lines += [line for _, own in taken for line in own]
    content = "".join(f"{line}\r\n" for line in lines).encode(_ENCODING)
    name = batch.file_name("Pleo_", "si")
    return Written([File(name, content, tuple(voucher.id for voucher, _ in taken))], refusals, changes)


def _voucher(voucher: Voucher, options: SieOptions, batch: Batch, changes: Counter[str]) -> list[str]:
    shared.check(voucher, batch, options.currency)
    rows = [_row(leg, options) for leg in voucher.legs]
    text = shared.fit(shared.described(voucher), "text", changes, encoding=_ENCODING)
    # No number: the receiver gives the next one of the series.
    return [f'#VER {options.series} "" {voucher.posting_date:%Y%m%d} {_quoted(text)}', "{", *rows, "}"]


def _row(leg: Leg, options: SieOptions) -> str:
    if shared.has_unsplit_tax(leg) and not options.allow_gross:
        raise Unsuitable(
            f"leg {leg.number} is gross with tax code {leg.tax_code!r}, and SIE has no tax codes: build the models with"
            " pleo_vat: split and see pleo__vat_exceptions, or set allow_gross"
        )
    account = shared.check_number(leg.account, _LONGEST_ACCOUNT, "SIE")
    tags = ((_COST_CENTRE, _object(leg, options.cost_centre)), (_PROJECT, _object(leg, options.project)))
    objects = " ".join(f"{dimension} {_quoted(code)}" for dimension, code in tags if code)
    return f"   #TRANS {account} {{{objects}}} {shared.cents(leg.amount)}"


def _object(leg: Leg, group: str) -> str:
    code = shared.only_code(leg, group)
    if set(code) & _SYNTAX or code != shared.fit(code, "", Counter(), encoding=_ENCODING):
        raise Unsuitable(f"tag {code!r} of {group!r} has characters that SIE does not take: give it another code")
    return code


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
