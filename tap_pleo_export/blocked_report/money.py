"""Amounts and their sums, exact: whole and broken minor units of a currency, never binary fractions."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation

_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation])
# Beyond it, a number is no amount of money, and sums would no longer be exact.
_MOST_DIGITS = 60

_NO_MINOR_UNIT = "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_TEN_THOUSANDTHS = "CLF UYW"
EXPONENTS: dict[str, int] = {
    **dict.fromkeys(_NO_MINOR_UNIT.split(), 0),
    **dict.fromkeys(_THOUSANDTHS.split(), 3),
    **dict.fromkeys(_TEN_THOUSANDTHS.split(), 4),
}
"""Decimals of the currencies that have not two (ISO 4217)."""

Sums = dict[str, Decimal]
"""Minor units by currency."""


def minor_units(value: object) -> Decimal | None:
    """Return a JSON number as an amount; None of anything else, and of numbers beyond all money."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    if not number.is_finite():
        return None
    _, digits, exponent = number.as_tuple()
    if len(digits) > _MOST_DIGITS or abs(int(exponent)) > _MOST_DIGITS:
        return None
    return number


def add(sums: Sums, currency: str, amount: Decimal) -> None:
    """Add an amount to the sum of its currency."""
    sums[currency] = _EXACT.add(sums.get(currency, Decimal()), amount)


def major(amount: Decimal, currency: str) -> str:
    """Return minor units in major ones: all digits, as many decimals as the currency has, or more if need be."""
    decimals = EXPONENTS.get(currency, 2)
    value = _EXACT.scaleb(amount, -decimals)
    fraction = -int(value.normalize(_EXACT).as_tuple().exponent)
    text = f"{value:.{max(decimals, fraction, 0)}f}"
    return text.removeprefix("-") if not value else text


def size(amount: Decimal, currency: str) -> Decimal:
    """Return how large an amount is in major units, for putting amounts in order."""
    return _EXACT.scaleb(abs(amount), -EXPONENTS.get(currency, 2))
