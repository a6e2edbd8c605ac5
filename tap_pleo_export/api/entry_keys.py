"""Ids of accounting entries as small keys, independent of case. No I/O."""

from __future__ import annotations

import hashlib

KEY_BYTES = 16


def key_of(id_: str) -> bytes:
    """Return a 16-byte key: the bytes of a UUID, or a hash of any other id."""
    try:
        key = bytes.fromhex(id_.replace("-", ""))
    except ValueError:
        key = b""
    return key if len(key) == KEY_BYTES else hashlib.blake2b(id_.encode(), digest_size=KEY_BYTES).digest()
