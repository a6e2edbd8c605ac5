"""SIE 4I files, read by the strict reader."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tap_pleo_export.books.vouchers import Leg
from tap_pleo_export.import_files.batch import Batch
from tap_pleo_export.import_files.sie import SieOptions, write
from tests.helpers import sie_reader
from tests.helpers.made_vouchers import COMPANY, balances, gross, leg, voucher

BATCH = Batch(COMPANY, date(2026, 11, 1), 2, datetime(2026, 12, 1, tzinfo=UTC))
WALLET = leg("wallet", "1940", "-119")


def options(**members: Any) -> SieOptions:
    return SieOptions(**({"company_name": "Åkes Bygg & Måleri"} | members))


def test_the_file_has_the_mandatory_records_and_vouchers() -> None:
    made = [voucher(number, currency="SEK") for number in (1, 2)]

    written = write(made, options(organisation_number="556735-5671", series="P"), BATCH)

    (file,) = written.files
    assert file.name == "Pleo_12abc3d4_2026-11_2.si"
    assert b"\x8fkes" in file.content
    read = sie_reader.read(file.content)
    assert read.head["FNAMN"] == ["Åkes Bygg & Måleri"]
    assert read.head["ORGNR"] == ["556735-5671"]
    assert "VALUTA" not in read.head
    assert [(v.series, v.number, v.day) for v in read.vouchers] == [("P", "", date(2026, 11, 9))] * 2
    assert read.balances == balances(made)


def test_tag_groups_become_dimensions() -> None:
    tagged = leg("line", "6100", "119", tags={"KST": ("0201",), "PROJ": ("X 7",)})

    written = write([voucher(1, tagged, WALLET, currency="SEK")], options(cost_centre="KST", project="PROJ"), BATCH)

    (read,) = sie_reader.read(written.files[0].content).vouchers
    assert read.lines == [("6100", Decimal(119), {"1": "0201", "6": "X 7"}), ("1940", Decimal(-119), {})]


@pytest.mark.parametrize(
    ("text", "written_text", "changed"),
    [
        ("Räksmörgås É", "Räksmörgås É", 0),
        ("Ørsted \u2013 „Łódź“ 5\xa0€ ☕", 'Orsted - "Lódz" 5 EUR ?', 1),
        ('say "a\\b"', 'say "a\\b"', 0),
        ("of\ufb01ce", "office", 1),
        ("two\r\nlines\x07", "two lines", 0),
    ],
)
def test_texts_are_written_in_the_characters_of_cp437(text: str, written_text: str, changed: int) -> None:
    written = write([voucher(1, text=text, currency="SEK")], options(), BATCH)

    assert [v.text for v in sie_reader.read(written.files[0].content).vouchers] == [written_text]
    assert written.changes.total() == changed


def test_another_currency_is_named() -> None:
    written = write([voucher(1, voucher_date=date(2026, 10, 31))], options(currency="EUR"), BATCH)

    assert sie_reader.read(written.files[0].content).head["VALUTA"] == ["EUR"]
    assert sie_reader.read(written.files[0].content).vouchers[0].day == date(2026, 11, 9)


def test_legs_of_zero_and_cents_are_written() -> None:
    made = voucher(1, leg("line", "6100", "1E+2"), leg("line", "6200", "0"), leg("wallet", "1940", "-100.00"))

    written = write([made], options(currency="EUR"), BATCH)

    assert b"#TRANS 6100 {} 100.00\r\n" in written.files[0].content
    assert sie_reader.read(written.files[0].content).balances == balances([made])


def test_unsplit_tax_is_refused_unless_allowed() -> None:
    made = voucher(1, gross("6100", "119"), WALLET)

    assert "SIE has no tax codes" in write([made], options(currency="EUR"), BATCH).refusals[0].reason
    assert write([made], options(currency="EUR", allow_gross=True), BATCH).refusals == []


@pytest.mark.parametrize(
    ("legs", "changes", "remedy"),
    [
        ((), {"currency": "DKK"}, "in DKK, but the books are in EUR"),
        ((leg("line", "bank-01", "119"), WALLET), {}, "SIE takes digits only"),
        ((leg("line", "07", "119"), WALLET), {}, "starts with 0, which SIE drops"),
        ((leg("line", "6100", "119", tags={"KST": ("ж",)}), WALLET), {}, "characters that SIE does not take"),
        ((leg("line", "6100", "119", tags={"KST": ("a}b",)}), WALLET), {}, "characters that SIE does not take"),
        ((leg("line", "6100", "0.005"), leg("wallet", "1940", "-0.005")), {}, "more than 2 decimals"),
    ],
)
def test_vouchers_that_sie_does_not_take_are_refused(
    legs: tuple[Leg, ...], changes: dict[str, Any], remedy: str
) -> None:
    written = write([voucher(1, *legs, **changes)], options(currency="EUR", cost_centre="KST"), BATCH)

    assert written.files == []
    assert remedy in written.refusals[0].reason
