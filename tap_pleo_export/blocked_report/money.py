"""Exact money: amounts in minor units without binary fractions; only :func:`booked` rounds, as vouchers do."""

from __future__ import annotations

import csv
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from importlib import resources
from pathlib import Path

_MAX_DIGITS = 60
_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation])
_ROUNDED = Context(prec=200)
_SEED = "pleo_currencies.csv"
_CHECKOUT = Path(__file__).parents[2] / "transform" / "seeds"

Sums = dict[str, Decimal]
"""Minor units by currency."""


def _exponents() -> dict[str, int]:
    # The wheel has a copy of the dbt package's seed.
    installed = resources.files(__package__).joinpath(_SEED)
    seed = installed if installed.is_file() else _CHECKOUT / _SEED
    return {row["code"]: int(row["exponent"]) for row in csv.DictReader(seed.read_text("utf-8").splitlines())}


EXPONENTS = _exponents()
"""Decimals of each currency (ISO 4217). Unknown currencies have two."""


def minor_units(value: object) -> Decimal | None:
    """Return a JSON number as an amount; None for other values and for numbers too long to sum exactly."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    if not number.is_finite():
        return None
    _, digits, exponent = number.as_tuple()
    return number if len(digits) <= _MAX_DIGITS and abs(int(exponent)) <= _MAX_DIGITS else None


def add(sums: Sums, currency: str, amount: Decimal) -> None:
    """Add an amount to the sum of its currency."""
    sums[currency] = _EXACT.add(sums.get(currency, Decimal()), amount)


def booked(amount: Decimal) -> Decimal:
    """Return minor units as vouchers have them: whole cents, half a cent away from zero (as `round` in the models)."""
    return amount.quantize(Decimal(1), ROUND_HALF_UP, _ROUNDED)


def in_major_units(amount: Decimal, currency: str) -> Decimal:
    """Convert minor units to major units, with at least as many decimals as the currency has."""
    decimals = EXPONENTS.get(currency, 2)
    value = _EXACT.scaleb(amount, -decimals).normalize(_EXACT)
    exponent = min(int(value.as_tuple().exponent), -decimals)
    value = value.quantize(Decimal((0, (1,), exponent)), context=_EXACT)
    return value or abs(value)  # no minus zero
