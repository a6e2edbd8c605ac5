"""Ids that look random and are the same each time. Light: the measuring process imports it."""

from __future__ import annotations

import hashlib

HEX_DIGITS = 32
JOBS = "jobs"
"""Seed of the export jobs' ids."""


def uuids(seed: str, count: int) -> list[bytes]:
    """Return ``count`` uuids (version 4 by their looks), the same for the same seed."""
    digits = hashlib.shake_128(seed.encode()).hexdigest(count * HEX_DIGITS // 2)
    starts = range(0, count * HEX_DIGITS, HEX_DIGITS)
    return [
        f"{digits[s : s + 8]}-{digits[s + 8 : s + 12]}-4{digits[s + 13 : s + 16]}"
        f"-a{digits[s + 17 : s + 20]}-{digits[s + 20 : s + 32]}".encode()
        for s in starts
    ]
