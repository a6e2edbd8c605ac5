"""Archive one file: download, check and store it, with retries for failures that may pass."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tap_pleo_export.api.daemon_pool import DaemonPool
from tap_pleo_export.api.errors import TransientFailure
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.attachments import names
from tap_pleo_export.attachments.download import Downloads
from tap_pleo_export.attachments.errors import DownloadFailed, Stopped, StoreFailed, StoreUnusable
from tap_pleo_export.attachments.store import PART_BYTES, Store

if TYPE_CHECKING:
    from tap_pleo_export.attachments.messages import File

FileOutcome = dict[str, str | int]
"""The members that a file gains: `storedPath`, `sha256`, `storedBytes` and `storedAt`, or `storeError`."""


class Archiver:
    """Archives files and counts them; safe to share between threads."""

    def __init__(self, downloads: Downloads, store: Store, policy: RetryPolicy, pool: DaemonPool) -> None:
        self._downloads = downloads
        self._store = store
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._policy = policy
        self._pool = pool
        self.stored = 0
        self.stored_bytes = 0

    def start(self, file: File) -> Future[FileOutcome]:
        """Archive a file in the background."""
        return self._pool.submit(self.archive, file)

    def archive(self, file: File) -> FileOutcome:
        """Archive a file and return the members that it gains.

        Raises:
            StoreUnusable: The store refused the file and has not accepted any file before.
            Stopped: :meth:`stop` was called.
        """
        if self._stop.is_set():
            raise Stopped
        folder = names.folder(file.company_id, file.accounting_entry_id)
        if folder is None:
            return {"storeError": "companyId or accountingEntryId of its item is not a UUID, so the file has no name"}
        try:
            attempts = self._policy.attempts(lambda error: isinstance(error, TransientFailure), sleep=self._sleep)
            outcome = attempts(self._attempt, file, f"{folder}/{file.position}")
        except (DownloadFailed, TransientFailure, names.TypeMismatch) as error:
            return {"storeError": str(error)}
        except StoreFailed as error:
            if error.refused and not self.stored:
                raise StoreUnusable(
                    f"Setting 'destination': {error}. Nothing was stored; check it and its credentials"
                ) from None
            return {"storeError": f"could not be stored: {error}"}
        with self._lock:
            self.stored += 1
            self.stored_bytes += int(outcome["storedBytes"])
        return outcome

    def stop(self) -> None:
        """Make downloads and uploads end at their next piece."""
        self._stop.set()

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _attempt(self, file: File, stem: str) -> FileOutcome:
        with self._downloads.open(file.link) as pieces:
            incoming = _Incoming(pieces, file.size, self._stop)
            begun = incoming.begin()
            name = f"{stem}.{names.extension(file.type, begun[0][: names.HEAD_BYTES])}"
            self._store.put(name, b"".join(begun) if incoming.ended else _chained(begun, incoming))
        return {
            "storedPath": name,
            "sha256": incoming.digest.hexdigest(),
            "storedBytes": incoming.size,
            "storedAt": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


class _Incoming:
    """The pieces of a file, hashed as they arrive; their total size is compared with the size that Pleo states."""

    def __init__(self, pieces: Iterator[bytes], stated: object, stop: threading.Event) -> None:
        self._pieces = pieces
        self._stated = stated if isinstance(stated, int) and not isinstance(stated, bool) else None
        self._stop = stop
        self.digest = hashlib.sha256()
        self.size = 0
        self.ended = False

    def begin(self) -> deque[bytes]:
        """Return the pieces that fit into one upload request: all of a file that is not larger."""
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
            raise TransientFailure(f"has {self.size:,} bytes, Pleo states {self._stated:,}")
        self.ended = True


def _chained(begun: deque[bytes], following: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces without keeping a reference to any of them."""
    while begun:
        yield begun.popleft()
    yield from following


def open_archiver(config: Mapping[str, Any], user_agent: str) -> Archiver:
    """Return an archiver with the mapper's settings.

    Raises:
        StoreUnusable: The destination cannot be used.
    """
    timeout, retries = config["timeout"], config["max_retries"]
    store = Store(config["destination"], endpoint=config.get("endpoint"), timeout=timeout, retries=retries)
    allowed = frozenset(host.lower().rstrip(".") for host in config["allow_hosts"])
    downloads = Downloads(allowed=allowed, max_bytes=config["max_file_bytes"], timeout=timeout, user_agent=user_agent)
    return Archiver(downloads, store, RetryPolicy(max_retries=retries), DaemonPool(config["max_concurrent_downloads"]))
