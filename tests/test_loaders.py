"""`make loaders` tells exact amounts from rounded ones, and rows that are lost from rows that come twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tools.loaders.rows import Stored

KEY = ("8eb648ab-464b-42a0-ba17-eda703657e33", "59540ed2-0d68-4e36-9e31-58223975d9e9")
LONG = Decimal("12345678901234567.89")


def stored(amount: Any, lines: Any = None, times: int = 1) -> Stored:
    row = {"JobId": KEY[0].upper(), "accountingEntryId": KEY[1], "amount": amount, "accountingEntryLines": lines}
    return Stored.of([row] * times, [])


def wallet(value: object) -> dict[str, dict[str, object]]:
    return {"inWalletCurrency": {"currency": "EUR", "value": value}}


@pytest.mark.parametrize(
    ("kept", "sent", "told"),
    [
        (wallet(LONG), LONG, "exact"),
        (str(wallet(1999)), Decimal(1999), "exact"),
        ('{"inWalletCurrency": {"currency": "EUR", "value": 0.1}}', Decimal("0.1"), "exact"),
        (wallet(float(LONG)), LONG, "binary floating point: exact up to 15 digits"),
        (wallet(199), Decimal("199.5"), "**1 amounts are wrong**"),
        (str(wallet(LONG)), LONG, "**some cannot be read back**"),
    ],
)
def test_amounts_are_held_against_what_was_sent(kept: object, sent: Decimal, told: str) -> None:
    assert stored(kept).exactness({KEY: ("EUR", sent)}) == told


def test_an_item_that_is_there_twice_is_counted_twice() -> None:
    assert stored(wallet(1), times=2).keys == {KEY: 2}


@pytest.mark.parametrize(
    ("lines", "told"),
    [([{}], "arrays as such"), ("[{}]", "JSON text"), ("[{'a': 1}]", "text that is not JSON (Python's)"), (None, "")],
)
def test_the_form_of_what_is_nested_is_told(lines: object, told: str) -> None:
    assert stored(wallet(1), lines).nested == told
