"""The token file: rotated OAuth tokens in a small file, readable by its owner only and replaced atomically."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import msgspec

from tap_pleo_export.api.errors import TokenFileUnusable

OWNER_ONLY = 0o600
# Disk space reserved for the tokens before Pleo is asked to rotate them.
RESERVED_BYTES = 16 * 1024
LOCK_SECONDS = 120
# No token file is larger.
MAX_BYTES = 4 * 1024 * 1024

logger = logging.getLogger("tap-pleo-export.auth")


class Tokens(msgspec.Struct, frozen=True):
    """One generation of OAuth tokens.

    Attributes:
        refresh_token: The only valid refresh token.
        access_token: The access token issued with it.
        renew_at: When to renew the access token instead of sending it, in seconds since the epoch.
        descends_from: Fingerprint of the configured refresh token that these tokens descend from.
    """

    refresh_token: str
    access_token: str
    renew_at: float
    descends_from: str

    def __repr__(self) -> str:
        """Tokens are secrets: show none."""
        return f"Tokens(renew_at={self.renew_at})"


def fingerprint(refresh_token: str) -> str:
    """Return a hash that identifies a refresh token without revealing it."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()


class TokenFile:
    """The file named by the setting `token_file`. Every method raises :class:`TokenFileUnusable`.

    Args:
        path: The path; links are resolved, so that all names of a file share one lock.
        patience: Seconds to wait for a refresh by another process.
    """

    def __init__(self, path: Path, patience: float = LOCK_SECONDS) -> None:
        self.path = path
        try:
            self.path = path.expanduser().resolve()
        # A RuntimeError: a user without a home, or circular links.
        except (OSError, RuntimeError, ValueError):
            raise self._unusable("cannot be resolved", "Name another path") from None
        self._patience = patience
        self._lock = filelock.FileLock(f"{self.path}.lock", timeout=patience, mode=OWNER_ONLY)

    def read(self, descends_from: str) -> Tokens | None:
        """Return the stored tokens; None if there is no file, or its tokens descend from another refresh token."""
        with self._os_errors("cannot be read", "Make it readable to this user"):
            try:
                content = self._content()
            except FileNotFoundError:
                return None
        try:
            tokens = msgspec.json.decode(content, type=Tokens)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._unusable(
                "is not a token file of this connector",
                "Name another path, or delete it and authorise again: its tokens may be the only valid ones",
            ) from None
        return tokens if tokens.descends_from == descends_from else None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes that share the file from refreshing at the same time; check that it can be written."""
        self._check_place()
        with self._os_errors("cannot be locked", "Make its folder writable to this user"):
            try:
                self._lock.acquire()
            except filelock.Timeout:
                what = f"has been locked by another process for over {self._patience:g} s"
                raise self._unusable(what, "Let that run end, or end it") from None
        try:
            yield
        finally:
            self._lock.release()

    def _check_place(self) -> None:
        if not self.path.parent.is_dir():
            raise self._unusable("its folder does not exist", "Make the folder, or name another path")
        with self._os_errors("cannot be read", "Make it readable to this user"):
            try:
                found = self.path.lstat()
            except FileNotFoundError:
                return
        if stat.S_ISLNK(found.st_mode):
            raise self._unusable("cannot be resolved", "Name another path")
        if stat.S_ISDIR(found.st_mode):
            raise self._unusable("cannot be read (Is a directory)", "Name a file")
        if not stat.S_ISREG(found.st_mode):
            raise self._unusable("cannot be read (it is a FIFO, a socket or a device)", "Name a file")
        if found.st_nlink > 1:
            raise self._unusable("has more names (hard links), which would keep used tokens", "Use symbolic links")

    def _content(self) -> bytes:
        # Never wait for a FIFO that has replaced the file meanwhile.
        with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & ~OWNER_ONLY:
                os.fchmod(file.fileno(), OWNER_ONLY)
                logger.warning(
                    "Setting 'token_file' (%s): its mode was %04o, so that others could use its tokens; it is now %04o",
                    self.path,
                    mode,
                    OWNER_ONLY,
                )
            return file.read(MAX_BYTES)

    @contextlib.contextmanager
    def replacement(self) -> Iterator[Callable[[Tokens], None]]:
        """Create the next version of the file, its disk space already reserved; yield what writes and commits it."""
        successor = Path(f"{self.path}.new")
        with self._os_errors("cannot be written", "Make its folder writable to this user"):
            successor.unlink(missing_ok=True)
            descriptor = os.open(successor, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        try:
            with self._os_errors("cannot be written", "Make room on the disk; no token was rotated"):
                os.fchmod(descriptor, OWNER_ONLY)
                # A full disk may accept a part and refuse only the rest.
                left = RESERVED_BYTES
                while left:
                    left -= os.write(descriptor, b" " * left)
                os.fsync(descriptor)
            with self._os_errors(
                "could not be replaced after Pleo rotated the tokens",
                "Authorise the connector again in Pleo and set the new 'refresh_token'",
            ):
                yield functools.partial(self._commit, descriptor, successor)
        finally:
            os.close(descriptor)
            successor.unlink(missing_ok=True)

    def _commit(self, descriptor: int, successor: Path, tokens: Tokens) -> None:
        """Write the tokens and replace the file; they are on the disk when this returns."""
        content = msgspec.json.encode(tokens)
        written = 0
        while written < len(content):
            written += os.pwrite(descriptor, content[written:], written)
        os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)
        successor.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _os_errors(self, what: str, remedy: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unusable(f"{what} ({error.strerror})", remedy) from None

    def _unusable(self, what: str, remedy: str) -> TokenFileUnusable:
        return TokenFileUnusable(self.path, what, remedy)
