"""Journals as CSV: generic, Xero, QuickBooks."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tap_pleo_export.books.vouchers import Leg, Party, Voucher
from tap_pleo_export.import_files.batch import Batch, File, Written
from tap_pleo_export.import_files.csv_journal import CsvOptions, write
from tests.helpers.made_vouchers import COMPANY, balances, gross, leg, voucher

BATCH = Batch(COMPANY, date(2026, 11, 1), 3, datetime(2026, 12, 1, tzinfo=UTC))
NAMES = {"6100": "Office", "1575": "VAT:Input", "1240": "Pleo", "2440": "Accounts Payable (A/P)", "6815": "IT"}


def write_all(*vouchers: Voucher, **members: Any) -> Written:
    return write(vouchers, CsvOptions(**members), BATCH)


def read(file: File, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.content.decode(), newline=""), delimiter=delimiter))


def test_generic_has_a_row_for_each_leg() -> None:
    made = voucher(1, text='say "hi", Zoë', files=("a/1.pdf",), due_date=date(2026, 12, 1))

    (file,) = write_all(made, tag_groups=["DEPT"]).files

    assert file.name == "Pleo_generic_12abc3d4_2026-11_3.csv"
    rows = read(file)
    assert [(row["account"], row["amount"]) for row in rows] == [("6100", "100"), ("1575", "19"), ("1240", "-119")]
    shared = {"voucher_id": made.id, "posting_date": "2026-11-09", "text": 'say "hi", Zoë', "receipt": "a/1.pdf"}
    assert all(shared.items() <= row.items() for row in rows)
    assert rows[0]["tag_DEPT"] == ""


@pytest.mark.parametrize(("positive", "amounts"), [("debit", ["100,00", "19,00"]), ("credit", ["-100,00", "-19,00"])])
def test_generic_pairs_have_the_sign_and_the_marks_that_are_wanted(positive: Any, amounts: list[str]) -> None:
    made = voucher(1, leg("line", "6100", "100.00"), leg("ingoingTax", "1575", "19.00"), leg("wallet", "1240", "-119"))

    (file,) = write_all(made, rows="pair", positive=positive, delimiter=";", decimal_mark=",").files

    rows = read(file, ";")
    assert [row["amount"] for row in rows] == amounts
    assert [(row["account"], row["counter_account"]) for row in rows] == [("6100", "1240"), ("1575", "1240")]


def test_generic_keeps_every_digit_and_currency() -> None:
    made = voucher(1, leg("line", "gl-1", "0.00012345"), leg("wallet", "07", "-0.00012345"), currency="XBT")

    (file,) = write_all(made).files

    assert [row["amount"] for row in read(file)] == ["0.00012345", "-0.00012345"]


def test_xero_has_one_journal_for_each_voucher() -> None:
    made = [
        voucher(number, leg("line", "6100", "5", tags={"Dept": ("Sales",)}), leg("wallet", "1240", "-5"))
        for number in (1, 2)
    ]

    (file,) = write_all(*made, preset="xero", currency="EUR", tag_groups=["Region", "Dept"]).files

    rows = read(file)
    assert list(rows[0]) == [
        *("*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount"),
        *("TrackingName1", "TrackingOption1", "TrackingName2", "TrackingOption2"),
    ]
    journals: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        journals[row["*Narration"], row["*Date"]] += Decimal(row["*Amount"])
    assert list(journals.values()) == [0, 0]
    assert {day for _, day in journals} == {"09/11/2026"}
    assert (rows[0]["TrackingName1"], rows[0]["TrackingName2"], rows[0]["TrackingOption2"]) == ("", "Dept", "Sales")


def test_xero_files_have_at_most_300_lines_and_whole_vouchers() -> None:
    made = [voucher(number) for number in range(250)]

    files = write_all(*made, preset="xero", currency="EUR").files

    assert [file.name for file in files] == [f"Pleo_xero_12abc3d4_2026-11_3_{part}.csv" for part in (1, 2, 3)]
    assert [file.content.count(b"\n") for file in files] == [298, 298, 157]
    assert [voucher_id for file in files for voucher_id in file.vouchers] == [each.id for each in made]
    for file in files:
        assert {row["*Narration"][-len(made[0].id) - 1 : -1] for row in read(file)} == set(file.vouchers)


def test_xero_files_are_filled_to_their_last_line() -> None:
    made = [voucher(number, *[leg("line", "6100", "1")] * 12, leg("wallet", "1240", "-12")) for number in range(23)]

    files = write_all(*made, preset="xero", currency="EUR").files

    assert [file.content.count(b"\n") for file in files] == [300]


@pytest.mark.parametrize(("legs", "is_taken"), [(298, True), (299, False)])
def test_xero_takes_no_voucher_larger_than_a_file(legs: int, is_taken: bool) -> None:
    lines = [leg("line", "6100", "1")] * legs

    written = write_all(voucher(1, *lines, leg("wallet", "1240", f"-{legs}")), preset="xero", currency="EUR")

    assert [file.content.count(b"\n") for file in written.files] == [300] * is_taken
    assert [refusal.reason for refusal in written.refusals] == (
        [] if is_taken else ["more than 299 legs, Xero's limit of a file: split the entry"]
    )


def test_quickbooks_has_names_numbers_and_vendors() -> None:
    bill = voucher(
        2, leg("line", "6815", "5"), leg("accountsPayable", "2440", "-5"), vendor=Party(code="V-1", name="Nordlys")
    )

    (file,) = write_all(voucher(1), bill, preset="quickbooks", currency="EUR", account_names=NAMES).files

    rows = read(file)
    assert [(row["JournalNo"], row["AccountName"], row["Debits"], row["Credits"], row["Name"]) for row in rows] == [
        ("P2611-3-1", "Office", "100.00", "", ""),
        ("P2611-3-1", "VAT:Input", "19.00", "", ""),
        ("P2611-3-1", "Pleo", "", "119.00", ""),
        ("P2611-3-2", "IT", "5.00", "", ""),
        ("P2611-3-2", "Accounts Payable (A/P)", "", "5.00", "Nordlys"),
    ]
    assert {row["JournalDate"] for row in rows} == {"11/09/2026"}
    by_name = {NAMES[account]: amount for account, amount in balances([voucher(1), bill]).items()}
    assert by_name == {
        name: sum(
            Decimal(row["Debits"] or 0) - Decimal(row["Credits"] or 0) for row in rows if row["AccountName"] == name
        )
        for name in by_name
    }


def test_quickbooks_takes_pleos_names_of_accounts() -> None:
    made = voucher(1, leg("line", "1", "5", account_name="Travel"), leg("wallet", "2", "-5", account_name="Pleo EUR"))

    (file,) = write_all(made, preset="quickbooks", currency="EUR").files

    assert [row["AccountName"] for row in read(file)] == ["Travel", "Pleo EUR"]


PAYABLE = (leg("line", "6815", "5"), leg("accountsPayable", "2440", "-5"))


@pytest.mark.parametrize(
    ("legs", "members", "remedy"),
    [
        ((), {"preset": "quickbooks"}, "account 6100 has no name: add it to [csv.account_names]"),
        (PAYABLE, {"preset": "quickbooks", "account_names": NAMES}, "choose the vendor in Pleo"),
        ((gross("6100", "119"), leg("wallet", "1240", "-119")), {"preset": "xero"}, "Xero would add tax"),
        ((leg("line", "6100", "0.005"), leg("wallet", "1240", "-0.005")), {"preset": "xero"}, "more than 2 decimals"),
    ],
)
def test_vouchers_that_a_preset_does_not_take_are_refused(
    legs: tuple[Leg, ...], members: dict[str, Any], remedy: str
) -> None:
    written = write_all(replace(voucher(1, *legs)), currency="EUR", **members)

    assert written.files == []
    assert remedy in written.refusals[0].reason


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"preset": "xero"}, "preset 'xero' requires the currency of the books"),
        ({"preset": "xero", "currency": "GBP", "tag_groups": ["a", "b", "c"]}, "at most two tag_groups"),
        ({"presets": "xero"}, "unknown field `presets`"),
    ],
)
def test_wrong_options_are_named(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.convert(table, CsvOptions)
