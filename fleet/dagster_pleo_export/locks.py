"""Locks that work across processes and hosts, and end with their processes.

Where Dagster stores its data in PostgreSQL they are advisory locks of a session
(https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS), otherwise ``flock`` on files below
``DAGSTER_HOME``. A process that inherits a lock's descriptor keeps the lock, even if the process that acquired it dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psycopg
from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import dagster as dg

POLL_SECONDS = 0.2
# A client notices within these that the server or the network is gone, and ends its load.
WATCH_SECONDS = 2.0
CLIENT_TIMEOUT_MS = 8_000
# The server ends the session of a host that has vanished after 20 + 3 * 5 seconds: later than the client notices.
SESSION = """
    SET idle_session_timeout = 0;
    SET tcp_keepalives_idle = 20;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3
"""
TAKEN = """
    SELECT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::bigint << 32) | objid::bigint = %s
    )
"""

# The lock of the first loads.
TABLES = "tables"


class LockTaken(Exception):
    """Another process has the lock that ``str()`` names."""


@dataclass
class Lease:
    """Acquired locks.

    Attributes:
        descriptors: Open files; the locks last until every process has closed them.
        lost: Set when the locks ended before their time; certain only after the block.
    """

    descriptors: tuple[int, ...]
    lost: threading.Event = field(default_factory=threading.Event)
    _callback: Callable[[], None] = field(default=lambda: None)

    def on_loss(self, callback: Callable[[], None]) -> None:
        """Call a function, from another thread, as soon as the locks are lost."""
        self._callback = callback
        if self.lost.is_set():
            callback()

    def lose(self) -> None:
        """Record the loss."""
        self.lost.set()
        self._callback()


class Locks(Protocol):
    """Locks by name."""

    def acquire(self, *names: str, wait: float) -> AbstractContextManager[Lease]:
        """Acquire locks in this order, waiting for each as many seconds.

        Raises:
            LockTaken: Another process still has one of them.
        """

    def is_taken(self, name: str) -> bool:
        """Return whether a process has a lock."""


def of(instance: dg.DagsterInstance) -> Locks:
    """Return the locks of everything that shares Dagster's storage."""
    url: str | None = getattr(instance.run_storage, "postgres_url", None)
    return PostgresLocks(url) if url else FileLocks(Path(instance.root_directory) / "locks")


def run_lock(run_id: str) -> str:
    """Return the name of the lock that proves that a run has a process."""
    return f"run-{run_id}"


def company_lock(company: str) -> str:
    """Return the name of the lock on the loads of a company."""
    return f"company-{company}"


@dataclass(frozen=True)
class FileLocks:
    """Locks of one machine: a file for each, in a folder."""

    folder: Path

    @contextmanager
    def acquire(self, *names: str, wait: float) -> Iterator[Lease]:
        """Acquire locks, see :class:`Locks`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as opened:
            lease = Lease(tuple(self._lock(name, wait, opened) for name in names))
            yield lease
            for name in names:
                # Those of companies are used again.
                if name.startswith(run_lock("")):
                    self._path(name).unlink(missing_ok=True)

    def is_taken(self, name: str) -> bool:
        """Return whether a process has a lock."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def _lock(self, name: str, wait: float, opened: ExitStack) -> int:
        descriptor = os.open(self._path(name), os.O_RDONLY | os.O_CREAT, 0o600)
        opened.callback(os.close, descriptor)
        # Closing would leave the lock to a child that has inherited it.
        opened.callback(fcntl.flock, descriptor, fcntl.LOCK_UN)
        until = time.monotonic() + wait
        while not try_lock(descriptor):
            if time.monotonic() > until:
                raise LockTaken(name)
            time.sleep(POLL_SECONDS)
        return descriptor

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.lock"


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file or folder, and return whether it was free."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True)
class PostgresLocks:
    """Locks of all hosts that use a database, each acquired by a separate connection."""

    url: str = field(repr=False)

    @contextmanager
    def acquire(self, *names: str, wait: float) -> Iterator[Lease]:
        """Acquire locks, see :class:`Locks`; the lease is lost with its connection."""
        with self._connect() as connection:
            connection.execute(SESSION)
            connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{wait:.0f}s"])
            for name in names:
                try:
                    connection.execute("SELECT pg_advisory_lock(%s)", [_key(name)])
                except psycopg.errors.LockNotAvailable:
                    raise LockTaken(name) from None
            lease, ended = Lease((connection.fileno(),)), threading.Event()
            watcher = threading.Thread(target=_watch, args=(connection, lease, ended), daemon=True)
            watcher.start()
            try:
                yield lease
            finally:
                ended.set()
                watcher.join(WATCH_SECONDS)
                if not _answers(connection):
                    lease.lost.set()

    def is_taken(self, name: str) -> bool:
        """Return whether a process has a lock."""
        with self._connect() as connection:
            return connection.execute(TAKEN, [_key(name)]).fetchone() == (True,)

    def _connect(self) -> psycopg.Connection:
        # Dagster's URL names a driver, which libpq does not know.
        url = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True, connect_timeout=10, tcp_user_timeout=CLIENT_TIMEOUT_MS)


def _watch(connection: psycopg.Connection, lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(WATCH_SECONDS):
        if not _answers(connection):
            lease.lose()
            return


def _answers(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"pleo-fleet/{name}".encode()).digest()[:8], signed=True)
