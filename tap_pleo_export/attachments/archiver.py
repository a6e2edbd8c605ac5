"""One file kept: fetched, judged, stored; again, if what went wrong may pass."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from tap_pleo_export.api.patience import attempts
from tap_pleo_export.attachments import names, types
from tap_pleo_export.attachments.download import DownloadFailed
from tap_pleo_export.attachments.store import PART_BYTES, StoreFailed, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_pleo_export.api.retry import RetryPolicy
    from tap_pleo_export.attachments.download import Downloads
    from tap_pleo_export.attachments.store import Store

Members = dict[str, str | int]
"""What is known of a file afterwards: `storedPath`, `sha256`, `storedBytes` and `storedAt`, or `storeError`."""


class File(Protocol):
    """A file as a record names it; nothing in it is to be believed."""

    company_id: object
    accounting_entry_id: object
    position: int
    link: object
    type: object
    size: object


class Stopped(Exception):
    """The run ends: nothing else is begun, and what is in hand is dropped."""


class Keeper:
    """Keeps files; safe to share between threads.

    Args:
        downloads: Where they come from.
        store: Where they go to.
        policy: When to try again.
        clock: The current moment, with time zone.

    Attributes:
        stored: Files kept so far.
        stored_bytes: Their bytes.
    """

    def __init__(
        self,
        downloads: Downloads,
        store: Store,
        policy: RetryPolicy,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._downloads = downloads
        self._store = store
        self._clock = clock
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._attempts = attempts(
            policy,
            worth_repeating=lambda error: isinstance(error, DownloadFailed) and error.may_pass,
            announce=lambda _: None,
            sleep=self._sleep,
        )
        self.stored = 0
        self.stored_bytes = 0

    def keep(self, file: File) -> Members:
        """Keep a file and tell what became of it.

        Raises:
            StoreUnusable: The store refused it, and has not taken any file before.
            Stopped: After :meth:`stop`.
        """
        if self._stop.is_set():
            raise Stopped
        folder = names.folder(file.company_id, file.accounting_entry_id)
        if folder is None:
            return {"storeError": "companyId or accountingEntryId of its item is no UUID, so it can have no name"}
        try:
            # A copy: it keeps statistics.
            members = self._attempts.copy()(self._attempt, file, f"{folder}/{file.position}")
        except (DownloadFailed, types.NotWhatItSays) as error:
            return {"storeError": str(error)}
        except StoreFailed as error:
            if error.refused and not self.stored:
                raise StoreUnusable(
                    f"Setting 'destination': {error}. Nothing was stored; check it and its credentials"
                ) from None
            return {"storeError": f"could not be stored: {error}"}
        with self._lock:
            self.stored += 1
            self.stored_bytes += int(members["storedBytes"])
        return members

    def stop(self) -> None:
        """End all that is in hand, uploads included, at their next piece."""
        self._stop.set()

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _attempt(self, file: File, stem: str) -> Members:
        with self._downloads.open(file.link) as pieces:
            incoming = _Incoming(pieces, file.size, self._stop)
            begun = incoming.begin()
            name = f"{stem}.{types.extension(file.type, begun[0][: types.HEAD_BYTES])}"
            self._store.put(name, b"".join(begun) if incoming.ended else _chained(begun, incoming))
        return {
            "storedPath": name,
            "sha256": incoming.digest.hexdigest(),
            "storedBytes": incoming.size,
            "storedAt": self._clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


class _Incoming:
    """The pieces of a file, hashed on their way, their sum held against the size that is stated."""

    def __init__(self, pieces: Iterator[bytes], stated: object, stop: threading.Event) -> None:
        self._pieces = pieces
        self._stated = stated if isinstance(stated, int) and not isinstance(stated, bool) else None
        self._stop = stop
        self.digest = hashlib.sha256()
        self.size = 0
        self.ended = False

    def begin(self) -> deque[bytes]:
        """Return as much as is uploaded in one request, in pieces; all of a file that is not larger.

        Raises:
            DownloadFailed: It is empty.
        """
        begun: deque[bytes] = deque()
        for piece in self:
            begun.append(piece)
            if self.size >= PART_BYTES:
                break
        if not begun:
            raise DownloadFailed("is empty")
        return begun

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if self._stop.is_set():
                raise Stopped
            self.digest.update(piece)
            self.size += len(piece)
            if self._stated is not None and self.size > self._stated:
                raise DownloadFailed(f"has more bytes than the {self._stated:,} that Pleo states")
            yield piece
        if self._stated is not None and self.size < self._stated:
            raise DownloadFailed(f"has {self.size:,} bytes, Pleo states {self._stated:,}", may_pass=True)
        self.ended = True


def _chained(begun: deque[bytes], following: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces, none of which is held any longer afterwards."""
    while begun:
        yield begun.popleft()
    yield from following
