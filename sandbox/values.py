"""JSON and ids of seeded objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from random import Random

JSON_TYPE = "application/json;charset=UTF-8"
Json = Any
"""Any JSON value: tests and worlds change members of all kinds."""
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def encode(value: object) -> bytes:
    """Return a value as JSON; a Decimal becomes a number with all its digits."""
    return _ENCODER.encode(value)


def make_uuid(rng: Random) -> str:
    """Return a random uuid (version 4); ``uuid.UUID`` would take most of the time of a large job."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
