"""The ids of one export job, expected and seen, with their statuses, in about 20 bytes each. No I/O."""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from tap_pleo_export.api.entry_keys import KEY_BYTES, key_of

ENTRY_BYTES = KEY_BYTES + 1
UUID_LENGTH = 36
BUCKETS = 4096
# The high bit of an entry's last byte says that the id has been seen; the rest numbers its status.
SEEN = 0x80
MAX_STATUSES = SEEN - 1
# The number of all further statuses, which are kept by id.
RARE = MAX_STATUSES
DIGEST_MODULUS = 1 << 128


def unlisted(key: bytes) -> bytes:
    """Return the key of an item without a job item: it never matches a digest of job items.

    So its job is read again once the item has a job item, however many runs later.
    """
    return b"?" + key


def digest_of(key: bytes) -> int:
    """Return an id's share of the digest; shares are added modulo 2**128, so order does not matter."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=KEY_BYTES).digest())


class JobItemIds:
    """The ids expected from the job items of one export job, and those seen among its export items.

    Job items (``GET /v3/export-jobs/{jobId}/items``, schema ``ExportJobItemV3``) and export items
    (``GET /v3/export-items``, schema ``ExportItemV3``) join on ``accountingEntryId``.

    Attributes:
        unusable: Number of job items that cannot be read, so that their ids are unknown.
        matched_late: Ids seen before their job items were listed, see :meth:`merge_seen`.
    """

    def __init__(self) -> None:
        self.unusable = 0
        self.matched_late: list[str] = []
        self._buckets: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._statuses: list[str | None] = []
        self._numbers: dict[str | None, int] = {}
        self._rare_statuses: dict[bytes, str | None] = {}
        self._unexpected: dict[bytes, str] = {}
        self._names: dict[bytes, str] = {}
        self._count = 0
        self._seen = 0

    def __len__(self) -> int:
        """Return how many ids are expected."""
        return self._count

    def expect(self, id_: str, status: str | None) -> bool:
        """Expect a job item's id; return False if it is expected already."""
        key = key_of(id_)
        bucket, position = self._find(key)
        if position is not None:
            return False
        bucket += key
        bucket.append(self._number(key, status))
        if len(id_) != UUID_LENGTH or key.hex() != id_.replace("-", "").lower():
            self._names[key] = id_
        self._count += 1
        return True

    def see(self, key: bytes, id_: str) -> tuple[bool, str | None]:
        """Note an export item's id, with its key: ``key_of(id_)``.

        Returns:
            Whether it is seen for the first time, and its job item's status; None if it has no job item.
        """
        bucket, position = self._find(key)
        if position is None:
            first = key not in self._unexpected
            self._unexpected.setdefault(key, id_)
            return first, None
        entry = bucket[position]
        number = entry & ~SEEN
        status = self._rare_statuses[key] if number == RARE else self._statuses[number]
        if entry & SEEN:
            return False, status
        bucket[position] = entry | SEEN
        self._seen += 1
        return True, status

    def lists(self, key: bytes) -> bool:
        """Return whether a job item with that id is expected."""
        return self._find(key)[1] is not None

    @property
    def all_seen(self) -> bool:
        """Whether all expected ids have been seen, and no others."""
        return self._seen == self._count and not self._unexpected

    @property
    def unexpected(self) -> list[str]:
        """Ids that have been seen without being expected."""
        return list(self._unexpected.values())

    def merge_seen(self, earlier: JobItemIds) -> None:
        """Mark as seen the ids seen while the ids of an earlier reading of the job items were expected."""
        for key, entry in earlier._entries():
            if entry & SEEN:
                self.see(key, earlier._name_of(key))
        for key, id_ in earlier._unexpected.items():
            self.see(key, id_)
            if key not in self._unexpected:
                self.matched_late.append(id_)

    def reset_seen(self) -> None:
        """Mark all ids as not seen."""
        for bucket in self._buckets.values():
            for last in range(KEY_BYTES, len(bucket), ENTRY_BYTES):
                bucket[last] &= ~SEEN
        self._unexpected.clear()
        self.matched_late.clear()
        self._seen = 0

    def missing(self) -> Iterator[str]:
        """Yield the ids that are expected and have not been seen."""
        for key, entry in self._entries():
            if not entry & SEEN:
                yield self._name_of(key)

    def digest(self) -> int:
        """Return the digest of all expected ids."""
        return sum(digest_of(key) for key, _ in self._entries()) % DIGEST_MODULUS

    def _name_of(self, key: bytes) -> str:
        return self._names.get(key) or str(UUID(bytes=key))

    def _entries(self) -> Iterator[tuple[bytes, int]]:
        for bucket in self._buckets.values():
            for start in range(0, len(bucket), ENTRY_BYTES):
                yield bytes(bucket[start : start + KEY_BYTES]), bucket[start + KEY_BYTES]

    def _find(self, key: bytes) -> tuple[bytearray, int | None]:
        """Return the key's bucket and the position of its last byte there, or None."""
        bucket = self._buckets[zlib.crc32(key) % BUCKETS]
        start = bucket.find(key)
        while start >= 0:
            if start % ENTRY_BYTES == 0:
                return bucket, start + KEY_BYTES
            start = bucket.find(key, start + 1)
        return bucket, None

    def _number(self, key: bytes, status: str | None) -> int:
        if status in self._numbers:
            return self._numbers[status]
        if len(self._statuses) == MAX_STATUSES:
            self._rare_statuses[key] = status
            return RARE
        self._numbers[status] = len(self._statuses)
        self._statuses.append(status)
        return self._numbers[status]
