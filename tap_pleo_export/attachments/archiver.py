"""Archive files: download, check and store each within a deadline, with retries for failures that may pass."""

from __future__ import annotations

import concurrent.futures
import hashlib
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from tap_pleo_export.api.daemon_pool import DaemonPool
from tap_pleo_export.api.errors import TransientFailure
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.attachments import names
from tap_pleo_export.attachments.addresses import host_of
from tap_pleo_export.attachments.breaker import MAX_IN_A_ROW, HostBreaker
from tap_pleo_export.attachments.download import Downloads
from tap_pleo_export.attachments.errors import DownloadFailed, Stopped, StoreFailed, StoreUnusable, TooShort
from tap_pleo_export.attachments.store import PART_BYTES, Store

if TYPE_CHECKING:
    from tap_pleo_export.attachments.messages import File

FileOutcome = dict[str, str | int]
"""The members that a file gains: `storedPath`, `sha256`, `storedBytes` and `storedAt`, or `storeError`."""


NO_NAME = "companyId or accountingEntryId of its item is not a UUID, so the file has no name"
LEFT_ALONE = (
    f"its host failed for {MAX_IN_A_ROW} files in a row and is left alone for a while; reading the item again gives a "
    "new link"
)
MAX_SIZE = 2**63 - 1


class Archiver:
    """Archives files and counts them.

    Args:
        downloads: Opens links.
        store: Where files are stored.
        policy: When a download is tried again; its deadline is that of a file, over all attempts.
        pool: Runs the downloads.
    """

    def __init__(self, downloads: Downloads, store: Store, policy: RetryPolicy, pool: DaemonPool) -> None:
        self._downloads = downloads
        self._store = store
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._policy = policy
        self._pool = pool
        # A host that stays silent then takes a sixth of the time at most.
        self._hosts = HostBreaker(5 * policy.deadline)
        # The latest call for each name, as long as anyone waits for it.
        self._latest: WeakValueDictionary[str, Future[FileOutcome]] = WeakValueDictionary()
        self._store_failures = 0
        self._unusable: StoreUnusable | None = None
        self.stored = 0
        self.stored_bytes = 0

    def start(self, file: File) -> Future[FileOutcome]:
        """Archive a file in the background, after earlier ones of its name; called by one thread."""
        folder = names.folder(file.company_id, file.accounting_entry_id)
        if folder is None:
            return _done({"storeError": NO_NAME})
        stem = f"{folder}/{file.position}"
        call = self._pool.submit(self._archive, file, stem, self._latest.get(stem))
        self._latest[stem] = call
        return call

    def outcome(self, call: Future[FileOutcome]) -> FileOutcome:
        """Return the members that the file of a finished call gains.

        Raises:
            Stopped: :meth:`stop` was called.
        """
        try:
            return call.result()
        except StoreFailed as error:
            return {"storeError": f"could not be stored: {error}"}

    def in_doubt(self, calls: Sequence[Future[FileOutcome]]) -> bool:
        """Return whether the store failed for one of some finished calls, and for every file since.

        Raises:
            StoreUnusable: It did so too often.
        """
        if not any(isinstance(call.exception(), StoreFailed) for call in calls):
            return False
        if self._unusable:
            raise self._unusable
        return self._store_failures > 0

    @property
    def unusable(self) -> bool:
        """Whether the store ended the run."""
        return self._unusable is not None

    def stop(self) -> None:
        """Make downloads and uploads end at their next piece."""
        self._stop.set()

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _archive(self, file: File, stem: str, earlier: Future[FileOutcome] | None) -> FileOutcome:
        if earlier:
            # It was submitted before, so it never waits for this thread.
            concurrent.futures.wait([earlier])
        if self._stop.is_set():
            raise Stopped
        if self._unusable:
            raise StoreFailed(str(self._unusable))
        host = host_of(file.link)
        if not self._hosts.allows(host):
            return {"storeError": LEFT_ALONE}
        attempts = self._policy.attempts(lambda error: isinstance(error, TransientFailure), sleep=self._sleep)
        try:
            outcome = attempts(self._attempt, file, stem, time.monotonic() + self._policy.deadline)
        except (DownloadFailed, TransientFailure, names.TypeMismatch) as error:
            self._hosts.record(host, failed=isinstance(error, TransientFailure) and not isinstance(error, TooShort))
            return {"storeError": str(error)}
        except StoreFailed as error:
            self._hosts.record(host, failed=False)
            self._count_store_failure(error)
            raise
        self._hosts.record(host, failed=False)
        with self._lock:
            self._store_failures = 0
            self.stored += 1
            self.stored_bytes += int(outcome["storedBytes"])
        return outcome

    def _count_store_failure(self, error: StoreFailed) -> None:
        with self._lock:
            self._store_failures += 1
            if self._store_failures >= MAX_IN_A_ROW:
                so_far = f", for {MAX_IN_A_ROW} files in a row after {self.stored} stored ones; check it and run again"
            elif not self.stored and not error.too_large:
                so_far = ". Nothing was stored; check it and its credentials"
            else:
                return
            self._unusable = self._unusable or StoreUnusable(f"Setting 'destination': {error}{so_far}")

    def _attempt(self, file: File, stem: str, ends: float) -> FileOutcome:
        with self._downloads.open(file.link, ends) as pieces:
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


def _done(outcome: FileOutcome) -> Future[FileOutcome]:
    call: Future[FileOutcome] = Future()
    call.set_result(outcome)
    return call


class _Incoming:
    """The pieces of a file, hashed as they arrive; their total size is compared with the size that Pleo states."""

    def __init__(self, pieces: Iterator[bytes], stated: object, stop: threading.Event) -> None:
        self._pieces = pieces
        # An impossible size must not cost the file.
        self._stated = stated if type(stated) is int and 0 < stated <= MAX_SIZE else None
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
            raise TooShort(f"has {self.size:,} bytes, Pleo states {self._stated:,}")
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
    downloads = Downloads(allowed=allowed, max_bytes=config["max_file_bytes"], user_agent=user_agent)
    return Archiver(
        downloads,
        store,
        RetryPolicy(max_retries=retries, deadline=timeout),
        DaemonPool(config["max_concurrent_downloads"]),
    )
