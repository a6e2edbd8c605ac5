"""Numbers of JSON, digit by digit."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec


def exact_number(text: str) -> Decimal | msgspec.Raw:
    """Return a number with a fraction or an exponent, for the hooks of decoders.

    An exponent of more than 18 digits is too long for a Decimal: such a number stays as it is written.
    """
    try:
        return Decimal(text)
    except InvalidOperation:
        return msgspec.Raw(text.encode())
