"""Ids of accounting entries as keys: small, and the same whatever the case an id is written in. Pure."""

from __future__ import annotations

import hashlib

KEY_BYTES = 16


def key_of(id_: str) -> bytes:
    """Return 16 bytes that stand for an id: a UUID's own bytes, whatever its case, else a hash."""
    try:
        key = bytes.fromhex(id_.replace("-", ""))
    except ValueError:
        key = b""
    return key if len(key) == KEY_BYTES else hashlib.blake2b(id_.encode(), digest_size=KEY_BYTES).digest()
