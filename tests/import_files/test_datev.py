"""EXTF files: rows, personal accounts, keys, and refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tap_pleo_export.books.vouchers import Leg, Party, Voucher
from tap_pleo_export.import_files.batch import Batch
from tap_pleo_export.import_files.datev import DatevOptions, write
from tests.helpers import datev_fields
from tests.helpers.made_vouchers import COMPANY, balances, gross, leg, voucher

BATCH = Batch(COMPANY, date(2026, 11, 1), 1, datetime(2026, 12, 1, 8, 30, 0, 23456, UTC))
VENDOR = Party(code="V-1", name="Nordlys", external_id="ext-1")
BILL = (leg("line", "6815", "100"), leg("accountsPayable", "2440", "-100"))
WALLET = leg("wallet", "1240", "-119")


def options(**members: Any) -> DatevOptions:
    return DatevOptions(consultant=29098, client=55003, **members)


def rows(*vouchers: Voucher, **members: Any) -> list[list[str]]:
    written = write(vouchers, options(**members), BATCH)
    assert written.refusals == []
    return datev_fields.check(written.files[0].content)


def reason(*legs: Leg, changes: dict[str, Any] | None = None, **members: Any) -> str:
    written = write([replace(voucher(1, *legs), **(changes or {}))], options(**members), BATCH)
    assert written.files == []
    (refusal,) = written.refusals
    return refusal.reason


def booked(found: list[list[str]]) -> list[tuple[str, ...]]:
    """Return amount, side, account, counter account and key of each row."""
    return [(row[0], row[1], row[6], row[7], row[8]) for row in found]


def of_rows(found: list[list[str]]) -> dict[str, Decimal]:
    """Return the balance of each account that the rows make."""
    sums: dict[str, Decimal] = {}
    for row in found:
        amount = Decimal(row[0].replace(",", ".")) * (1 if (row[1] == "S") != (row[117] == "1") else -1)
        for account, sign in ((row[6], 1), (row[7], -1)):
            sums[account] = sums.get(account, Decimal()) + sign * amount
    return {account: amount for account, amount in sums.items() if amount}


def test_the_file_has_header_columns_and_rows() -> None:
    written = write([voucher(1)], options(chart="03"), BATCH)

    (file,) = written.files
    assert file.name == "EXTF_Pleo_12abc3d4_2026-11_1.csv"
    header, columns, *_ = file.content.decode("cp1252").split("\r\n")
    assert header == (
        '"EXTF";700;21;"Buchungsstapel";13;20261201083000023;;"RE";"";"";29098;55003;20260101;4;20261101;20261130;'
        '"Pleo 11/2026 1";"";1;0;0;"EUR";;"";;;"03";;;"";""'
    )
    assert columns.startswith("Umsatz (ohne Soll/Haben-Kz);Soll/Haben-Kennzeichen;WKZ Umsatz;Kurs;")
    assert booked(datev_fields.check(file.content)) == [
        ("100,00", "S", "6100", "1240", ""),
        ("19,00", "S", "1575", "1240", ""),
    ]


@pytest.mark.parametrize(("month", "day"), [(12, b"20251201"), (11, b"20261101"), (1, b"20260101")])
def test_the_fiscal_year_begins_in_its_month(month: int, day: bytes) -> None:
    written = write([voucher(1)], options(fiscal_year_start_month=month), BATCH)

    assert written.files[0].content.split(b";")[12] == day


def test_a_payment_has_the_wallet_as_its_counter_account() -> None:
    made = voucher(1, leg("accountsPayable", "1600", "5"), leg("wallet", "1240", "-5"))

    assert booked(rows(made)) == [("5,00", "S", "1600", "1240", "")]
    assert rows(made)[0][20:24] == ["Pleo", made.id, "", ""]


def test_a_voucher_keeps_its_texts_numbers_and_links() -> None:
    made = voucher(
        1,
        number="INV 7/2026",
        text="Café Ørsted \u2013 „Zürich“",
        voucher_date=date(2026, 10, 31),
        due_date=date(2026, 12, 15),
        kind="reversal",
        reverses="x/expense/1",
    )

    (row, _) = rows(made)

    assert (row[9], row[10], row[13]) == ("0911", "INV7/2026", "Reversal: Café Ørsted \u2013 „Zürich“")
    assert row[19] == "https://app.pleo.example/e/1"
    assert row[20:28] == [
        *("Pleo", made.id, "Rechnungsnummer", "INV 7/2026"),
        *("Belegdatum", "31.10.2026", "Storno von", "x/expense/1"),
    ]
    assert row[116] == "15122026"


def test_texts_are_cut_by_characters_and_counted() -> None:
    written = write([voucher(1, text="ä" * 59 + "öü"), voucher(2, text="Łódź\n9")], options(), BATCH)

    found = datev_fields.check(written.files[0].content)
    assert [found[0][13], found[2][13]] == ["ä" * 59 + "ö", "Lódz 9"]
    assert dict(written.changes) == {
        "Buchungstext: longer than 60 characters, cut": 1,
        "Buchungstext: characters that cp1252 does not have, replaced": 1,
    }


def test_two_tag_groups_become_cost_centres() -> None:
    tagged = leg("line", "6100", "119", tags={"DEPT": ("Sales 1",), "PROJECT": ("P_7",), "OTHER": ("x", "y")})

    (row,) = rows(voucher(1, tagged, WALLET), cost_centre_1="DEPT", cost_centre_2="PROJECT")

    assert row[36:38] == ["Sales 1", "P_7"]


def test_vendors_and_employees_have_personal_accounts() -> None:
    bill = voucher(1, *BILL, vendor=VENDOR)
    by_external_id = replace(bill, vendor=Party(external_id="ext-1"))
    own = voucher(2, leg("line", "6100", "119"), leg("outOfPocket", "1740", "-119"))
    other = voucher(3, *BILL, vendor=Party(code="V-2"))

    found = rows(
        bill, by_external_id, own, other, vendors={"V-1": "70001", "ext-1": "70002"}, employees={"17": "70017"}
    )

    assert [row[7] for row in found] == ["70001", "70002", "70017", "2440"]


def test_gross_amounts_have_the_key_of_their_tax_code() -> None:
    made = voucher(1, gross("6100", "119"), gross("6640", "10", "T0", "0"), leg("wallet", "1240", "-129"))

    assert booked(rows(made, tax_keys={"T19": "9"})) == [
        ("119,00", "S", "6100", "1240", "0009"),
        ("10,00", "S", "6640", "1240", ""),
    ]


def test_a_key_can_switch_off_automatic_accounts() -> None:
    assert [row[8] for row in rows(voucher(1), net_key="40")] == ["0040", "0040"]


def test_the_legs_of_a_reverse_charge_counter_each_other() -> None:
    made = voucher(
        1,
        leg("line", "6805", "100", vat="net"),
        leg("ingoingTax", "1577", "19", vat="reverse_in"),
        leg("outgoingTax", "1787", "-19", vat="reverse_out"),
        leg("wallet", "1240", "-100"),
    )

    assert booked(rows(made)) == [("100,00", "S", "6805", "1240", ""), ("19,00", "S", "1577", "1787", "")]


def test_reverse_charges_of_several_lines_are_not_mixed() -> None:
    made = voucher(
        1,
        leg("line", "6805", "100", vat="net"),
        leg("outgoingTax", "1786", "-7", vat="reverse_out"),
        leg("outgoingTax", "1787", "-19", vat="reverse_out"),
        leg("ingoingTax", "1577", "19", vat="reverse_in"),
        leg("ingoingTax", "1576", "7", vat="reverse_in"),
        leg("wallet", "1240", "-100"),
    )

    assert booked(rows(made))[1:] == [("19,00", "S", "1577", "1787", ""), ("7,00", "S", "1576", "1786", "")]


def test_lines_of_both_signs_have_the_wallet_as_their_counter_account() -> None:
    made = voucher(1, leg("line", "7310", "7"), leg("line", "6100", "-2"), leg("wallet", "1240", "-5"))

    found = rows(made)

    assert booked(found) == [("7,00", "S", "7310", "1240", ""), ("2,00", "H", "6100", "1240", "")]
    assert of_rows(found) == balances([made])


def test_several_wallets_are_accounts() -> None:
    made = [voucher(1, leg("line", "6100", "5"), leg("wallet", account, "-5")) for account in ("1240", "1241")]

    assert of_rows(rows(*made)) == {"6100": 10, "1240": -5, "1241": -5}


def test_reversals_can_be_marked_as_generalumkehr() -> None:
    made = voucher(1, leg("wallet", "1240", "119"), leg("line", "6100", "-119"), kind="reversal")

    plain, marked = rows(made), rows(made, general_reversal=True)

    assert (plain[0][1], plain[0][117]) == ("H", "")
    assert (marked[0][1], marked[0][117]) == ("S", "1")
    assert of_rows(plain) == of_rows(marked) == balances([made])


@pytest.mark.parametrize(
    ("template", "link"),
    [
        ("{path}", "12ab/receipt.pdf"),
        ('BEDI "{name}"', 'BEDI "receipt.pdf"'),
        ("{web_link}", "https://app.pleo.example/e/1"),
        ("", ""),
    ],
)
def test_the_link_is_made_of_a_template(template: str, link: str) -> None:
    (row, _) = rows(voucher(1, files=("12ab/receipt.pdf", "12ab/2.pdf")), receipt_link=template)

    assert row[19] == link


def test_a_link_without_receipt_or_too_long_is_left_out() -> None:
    written = write([voucher(1), voucher(2, files=("x" * 211,))], options(receipt_link="{path}"), BATCH)

    assert {row[19] for row in datev_fields.check(written.files[0].content)} == {""}
    assert list(written.changes.values()) == [1]


def test_rows_can_be_final() -> None:
    (file,) = write([voucher(1)], options(final=True), BATCH).files

    assert file.content.split(b";")[20] == b"1"
    assert datev_fields.check(file.content)[0][113] == "1"


@pytest.mark.parametrize(
    ("account", "remedy"),
    [
        ("gl-7f3a", "account 'gl-7f3a' is not a number: give it a numeric code, DATEV takes digits only"),
        ("٤٤٠٠", "account '٤٤٠٠' is not a number: give it a numeric code, DATEV takes digits only"),
        ("0480", "account 0480 starts with 0, which DATEV drops: use its code without the zero"),
        ("123456", "account 123456 has more than 5 digits: use a shorter code, or check the lengths"),
        ("", "leg 1 (line) has no account: give its category an account in Pleo"),
    ],
)
def test_accounts_that_datev_does_not_take_are_refused(account: str, remedy: str) -> None:
    assert reason(leg("line", account, "119"), WALLET) == remedy


TAGGED = leg("line", "6100", "119", tags={"DEPT": ("A", "B"), "PROJECT": ("X/Y",), "LONG": ("x" * 37,)})


@pytest.mark.parametrize(
    ("legs", "changes", "options_", "remedy"),
    [
        ((), {"currency": "DKK"}, {}, "in DKK, but the books are in EUR"),
        ((), {"posting_date": date(2026, 12, 1)}, {}, "outside 2026-11: write that month's file"),
        ((), {"posting_date": date(2026, 10, 31)}, {}, "outside 2026-11: write that month's file"),
        ((leg("line", "6100", "0.005"), leg("wallet", "1240", "-0.005")), {}, {}, "more than 2 decimals"),
        ((leg("line", "6100", "1E+10"), leg("wallet", "1240", "-1E+10")), {}, {}, "more than 10 digits"),
        ((leg("line", "6100", "119"), leg("line", "6200", "0.00"), WALLET), {}, {}, "leg 2 has the amount 0.00"),
        ((leg("line", "6100", "118"), WALLET), {}, {}, "do not add up to zero"),
        ((leg("line", "6100", "0"),), {}, {}, "do not add up to zero"),
        (
            (*(leg("line", "6100", "1"),) * 2, leg("contra", "1", "-1"), leg("fees", "2", "-1")),
            {},
            {},
            "several debits against several credits",
        ),
        ((gross("6100", "119"), WALLET), {}, {}, "give the code a BU key in [datev.tax_keys]"),
        ((TAGGED, WALLET), {}, {"cost_centre_1": "DEPT"}, "has 2 tags of 'DEPT'"),
        ((TAGGED, WALLET), {}, {"cost_centre_2": "PROJECT"}, "tag 'X/Y' of 'PROJECT' cannot be a cost centre"),
        ((TAGGED, WALLET), {}, {"cost_centre_2": "LONG"}, "cannot be a cost centre"),
    ],
)
def test_vouchers_that_datev_does_not_take_are_refused(
    legs: tuple[Leg, ...], changes: dict[str, Any], options_: dict[str, Any], remedy: str
) -> None:
    assert remedy in reason(*legs, changes=changes, **options_)


def test_one_refused_voucher_leaves_the_others() -> None:
    bad = voucher(2, leg("line", "x", "119"), WALLET, text="ж" * 70)

    written = write([voucher(1), bad, voucher(3)], options(), BATCH)

    assert written.files[0].vouchers == (voucher(1).id, voucher(3).id)
    assert [refusal.voucher_id for refusal in written.refusals] == [bad.id]
    assert not written.changes


def test_later_vouchers_of_a_refused_ones_entry_wait() -> None:
    bill = voucher(1, leg("line", "x", "5"), leg("accountsPayable", "1600", "-5"))
    payment = voucher(1, leg("accountsPayable", "1600", "5"), leg("wallet", "1240", "-5"), id=f"{bill.entry}/payment/1")

    written = write([bill, payment, voucher(2)], options(), BATCH)

    assert written.files[0].vouchers == (voucher(2).id,)
    assert written.refusals[1].reason == f"waits for {bill.id} of the same entry, which is refused"
