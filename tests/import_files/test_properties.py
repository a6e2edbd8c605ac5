"""For any texts, amounts and tags: a file is well-formed, and its balances are the vouchers'."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.books.vouchers import Voucher
from tap_pleo_export.import_files import csv_journal, datev, sie
from tap_pleo_export.import_files.batch import Batch, Written
from tests.helpers import datev_fields, sie_reader
from tests.helpers.made_vouchers import COMPANY, balances, leg, voucher

BATCH = Batch(COMPANY, date(2026, 11, 1), 1, datetime(2026, 12, 1, tzinfo=UTC))
DATEV = datev.DatevOptions(consultant=1001, client=1, cost_centre_1="A", cost_centre_2="B", receipt_link="{path}")
SIE = sie.SieOptions(company_name="Acme", currency="EUR", cost_centre="A", project="B")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=80)
CENTS = st.integers(-(10**12), 10**12).map(lambda cents: Decimal(cents).scaleb(-2))
LINES = st.tuples(
    st.one_of(st.integers(1, 99999).map(str), st.sampled_from(["0480", "x", ""])),
    CENTS,
    st.dictionaries(st.sampled_from("AB"), st.lists(TEXTS.filter(bool), max_size=2).map(tuple)),
)


@st.composite
def vouchers(draw: st.DrawFn) -> Voucher:
    lines = [
        leg("line", account, str(amount), tags=tags) for account, amount, tags in draw(st.lists(LINES, max_size=4))
    ]
    total = sum((each.amount for each in lines), Decimal())
    legs = (*lines, leg("wallet", draw(st.sampled_from(["1240", "1241"])), str(-total)))
    texts = {"text": draw(TEXTS), "web_link": draw(TEXTS), "files": tuple(draw(st.lists(TEXTS, max_size=2)))}
    made = voucher(draw(st.integers(0, 10**6)), *legs, kind=draw(st.sampled_from(["booking", "reversal"])), **texts)
    return replace(made, number=draw(TEXTS))


MANY = st.lists(vouchers(), max_size=4, unique_by=lambda each: each.entry)


def taken(written: Written, given_: list[Voucher]) -> list[Voucher]:
    ids = {voucher_id for file in written.files for voucher_id in file.vouchers}
    assert len(ids) + len(written.refusals) == len(given_)
    return [each for each in given_ if each.id in ids]


@given(MANY)
def test_datev_files_are_well_formed(made: list[Voucher]) -> None:
    written = datev.write(made, DATEV, BATCH)

    sums: dict[str, Decimal] = {}
    for row in (row for file in written.files for row in datev_fields.check(file.content)):
        amount = Decimal(row[0].replace(",", ".")) * (1 if row[1] == "S" else -1)
        sums[row[6]] = sums.get(row[6], Decimal()) + amount
        sums[row[7]] = sums.get(row[7], Decimal()) - amount
    assert {account: amount for account, amount in sums.items() if amount} == balances(taken(written, made))


@given(MANY)
def test_sie_files_are_well_formed(made: list[Voucher]) -> None:
    written = sie.write(made, SIE, BATCH)

    found = [sie_reader.read(file.content) for file in written.files]
    assert (found[0].balances if found else {}) == balances(taken(written, made))


@given(MANY)
def test_csv_files_are_well_formed(made: list[Voucher]) -> None:
    written = csv_journal.write(made, csv_journal.CsvOptions(tag_groups=["A"]), BATCH)

    sums: dict[str, Decimal] = {}
    for file in written.files:
        for row in csv.DictReader(io.StringIO(file.content.decode(), newline=""), strict=True):
            assert None not in row
            sums[row["account"]] = sums.get(row["account"], Decimal()) + Decimal(row["amount"])
    assert {account: amount for account, amount in sums.items() if amount} == balances(taken(written, made))
