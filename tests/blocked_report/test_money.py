from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.blocked_report.money import EXPONENTS, Sums, _exponents, add, booked, in_major_units, minor_units


@pytest.mark.parametrize(
    ("minor", "currency", "expected"),
    [
        ("12345", "EUR", "123.45"),
        ("5", "GBP", "0.05"),
        ("-5", "GBP", "-0.05"),
        ("0", "EUR", "0.00"),
        ("-0", "EUR", "0.00"),
        ("100", "EUR", "1.00"),
        ("12345", "JPY", "12345"),
        ("12345", "KWD", "12.345"),
        ("12345", "CLF", "1.2345"),
        ("1999.95", "EUR", "19.9995"),
        ("-0.005", "EUR", "-0.00005"),
        ("0.5", "JPY", "0.5"),
        ("1e3", "EUR", "10.00"),
        ("1e3", "JPY", "1000"),
        ("12345678901234567", "VEF", "123456789012345.67"),
        ("100", "no currency", "1.00"),
    ],
)
def test_major_units_have_the_decimals_of_the_currency(minor: str, currency: str, expected: str) -> None:
    assert f"{in_major_units(Decimal(minor), currency):f}" == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4), st.sampled_from([*EXPONENTS, "EUR"]))
def test_no_digit_is_lost(minor: Decimal, currency: str) -> None:
    decimals = EXPONENTS[currency]
    major = in_major_units(minor, currency)

    assert Context(prec=200).scaleb(major, decimals) == minor
    assert len(f"{major:f}".partition(".")[2]) >= decimals


@pytest.mark.parametrize(
    ("minor", "expected"),
    [
        ("1999.95", "2000"),
        ("0.5", "1"),
        ("1.5", "2"),
        ("2.5", "3"),
        ("-0.5", "-1"),
        ("0.49", "0"),
        ("1e3", "1000"),
        ("1" * 40 + ".5", "1" * 39 + "2"),
    ],
)
def test_vouchers_have_whole_cents(minor: str, expected: str) -> None:
    assert f"{booked(Decimal(minor)):f}" == expected


def test_sums_are_exact() -> None:
    sums: Sums = {}
    for amount in [Decimal("0.1")] * 3 + [Decimal(10) ** 40, Decimal("-0.3"), -(Decimal(10) ** 40)]:
        add(sums, "EUR", amount)

    assert sums == {"EUR": 0}


@pytest.mark.parametrize(
    "value", [None, "12", True, [], Decimal("NaN"), Decimal("1e999999"), Decimal("1e-999999"), 10**60]
)
def test_unusable_amount_has_no_minor_units(value: Any) -> None:
    assert minor_units(value) is None


@pytest.mark.parametrize("value", [0, -5, 10**59, Decimal("0.5"), Decimal("1e60"), Decimal("1e-60")])
def test_usable_amount_is_unchanged(value: int | Decimal) -> None:
    assert minor_units(value) == value


def test_decimals_of_currencies_come_from_the_seed_of_the_models() -> None:
    assert _exponents() == EXPONENTS
    assert [EXPONENTS[currency] for currency in ("EUR", "JPY", "KWD")] == [2, 0, 3]
