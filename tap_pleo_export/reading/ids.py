"""The ids of one export job, with their statuses, in about 20 bytes each. Pure."""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_BYTES = 16
ENTRY_BYTES = KEY_BYTES + 1
UUID_LENGTH = 36
BUCKETS = 4096
# The high bit of an entry's last byte says that the data layer has shown the id; the rest numbers its status.
SEEN = 0x80
MAX_STATUSES = SEEN - 1
DIGEST_MODULUS = 1 << 128


def key_of(id_: str) -> bytes:
    """Return 16 bytes that stand for an id: a UUID's own bytes, whatever its case, else a hash."""
    try:
        key = bytes.fromhex(id_.replace("-", ""))
    except ValueError:
        key = b""
    return key if len(key) == KEY_BYTES else hashlib.blake2b(id_.encode(), digest_size=KEY_BYTES).digest()


def digest_of(key: bytes) -> int:
    """Return an id's share of the digest; shares are added modulo 2**128, so order does not matter."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=KEY_BYTES).digest())


class JobItemIds:
    """What the control layer lists of one export job, and which of it the data layer has shown.

    Source of the layers: ``GET /v3/export-jobs/{jobId}/items`` (schema ``ExportJobItemV3``) is the control layer,
    ``GET /v3/export-items`` (schema ``ExportItemV3``) the data layer; they join on ``accountingEntryId``.

    Attributes:
        unusable: Rows of the control layer that cannot be read, so that nobody knows what they list.
    """

    def __init__(self) -> None:
        self.unusable = 0
        self._buckets: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._statuses: list[str | None] = []
        self._strangers: dict[bytes, str] = {}
        self._names: dict[bytes, str] = {}
        self._count = 0
        self._shown = 0

    def __len__(self) -> int:
        """Return how many ids the control layer lists."""
        return self._count

    def list_item(self, id_: str, status: str | None) -> bool:
        """Add an id of the control layer; return False if it is listed already."""
        key = key_of(id_)
        bucket, position = self._find(key)
        if position is not None:
            return False
        bucket += key
        bucket.append(self._status_number(status))
        if len(id_) != UUID_LENGTH:
            self._names[key] = id_
        self._count += 1
        return True

    def show(self, key: bytes, id_: str) -> tuple[bool, str | None]:
        """Note that the data layer has shown an id.

        Args:
            key: ``key_of(id_)``.
            id_: The id as Pleo writes it.

        Returns:
            Whether it is shown for the first time, and its status in the control layer; None if it is not listed.
        """
        bucket, position = self._find(key)
        if position is None:
            first = key not in self._strangers
            self._strangers.setdefault(key, id_)
            return first, None
        entry = bucket[position]
        if entry & SEEN:
            return False, self._statuses[entry & ~SEEN]
        bucket[position] = entry | SEEN
        self._shown += 1
        return True, self._statuses[entry]

    @property
    def all_shown(self) -> bool:
        """Whether the data layer has shown all listed ids and no others."""
        return self._shown == self._count and not self._strangers

    @property
    def strangers(self) -> list[str]:
        """Ids that the data layer has shown and the control layer does not list."""
        return list(self._strangers.values())

    def not_shown(self) -> Iterator[str]:
        """Yield the listed ids that the data layer has not shown."""
        for key, entry in self._entries():
            if not entry & SEEN:
                yield self._names.get(key) or _name(key)

    def digest(self) -> int:
        """Return the digest of all listed ids."""
        return sum(digest_of(key) for key, _ in self._entries()) % DIGEST_MODULUS

    def _entries(self) -> Iterator[tuple[bytes, int]]:
        for bucket in self._buckets.values():
            for start in range(0, len(bucket), ENTRY_BYTES):
                yield bytes(bucket[start : start + KEY_BYTES]), bucket[start + KEY_BYTES]

    def _find(self, key: bytes) -> tuple[bytearray, int | None]:
        """Return the key's bucket and where its last byte stands there, or None."""
        bucket = self._buckets[zlib.crc32(key) % BUCKETS]
        start = bucket.find(key)
        while start >= 0:
            if start % ENTRY_BYTES == 0:
                return bucket, start + KEY_BYTES
            start = bucket.find(key, start + 1)
        return bucket, None

    def _status_number(self, status: str | None) -> int:
        if status not in self._statuses:
            if len(self._statuses) == MAX_STATUSES:
                raise OverflowError(f"more than {MAX_STATUSES} job item statuses")
            self._statuses.append(status)
        return self._statuses.index(status)


def _name(key: bytes) -> str:
    return str(UUID(bytes=key))
