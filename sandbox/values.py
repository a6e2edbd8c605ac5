"""Values that seeded objects are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


def make_uuid(rng: Random) -> str:
    """Return a random uuid (version 4); ``uuid.UUID`` would take most of the time of a large job."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
