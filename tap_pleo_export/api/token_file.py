"""The token file: rotated OAuth tokens in a small file, readable by its owner only and replaced atomically."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import msgspec

from tap_pleo_export.api.errors import TokenFileUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER_ONLY = 0o600
# Disk space reserved for the tokens before Pleo is asked to rotate them.
RESERVED_BYTES = 16 * 1024
LOCK_SECONDS = 120
# This connector writes no larger file.
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
    """The file named by the setting `token_file`.

    Args:
        path: The path; links are resolved, so that all names of a file share one lock.
        patience: Seconds to wait for a refresh by another process.

    Raises:
        TokenFileUnusable: The path cannot be resolved.
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
        """Return the stored tokens, or None if there are none that descend from the configured refresh token.

        Raises:
            TokenFileUnusable: The file is unreadable or was not written by this connector.
        """
        try:
            tokens = msgspec.json.decode(self._content(), type=Tokens)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(f"cannot be read ({error.strerror})", "Make it readable to this user") from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._unusable(
                "is not a token file of this connector",
                "Name another path, or delete it and authorise again: its tokens may be the only valid ones",
            ) from None
        return tokens if tokens.descends_from == descends_from else None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes that share the file from refreshing at the same time.

        Raises:
            TokenFileUnusable: The file cannot be locked, or no file can be stored at the path.
        """
        self._check_place()
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise self._unusable(
                f"has been locked by another process for over {self._patience:g} s", "Let that run end, or end it"
            ) from None
        except OSError as error:
            raise self._unusable(
                f"cannot be locked ({error.strerror})", "Make its folder writable to this user"
            ) from None
        try:
            yield
        finally:
            self._lock.release()

    def _check_place(self) -> None:
        if not self.path.parent.is_dir():
            raise self._unusable("its folder does not exist", "Make the folder, or name another path")
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unusable(f"cannot be read ({error.strerror})", "Make it readable to this user") from None
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
    def replacement(self) -> Iterator[Replacement]:
        """Create the next version of the file, with its disk space already reserved.

        Raises:
            TokenFileUnusable: It cannot be created; no token has been rotated yet.
        """
        successor = Path(f"{self.path}.new")
        try:
            successor.unlink(missing_ok=True)
            descriptor = os.open(successor, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        except OSError as error:
            raise self._unusable(
                f"cannot be written ({error.strerror})", "Make its folder writable to this user"
            ) from None
        try:
            try:
                os.fchmod(descriptor, OWNER_ONLY)
                # A full disk may accept a part and refuse only the rest.
                left = RESERVED_BYTES
                while left:
                    left -= os.write(descriptor, b" " * left)
                os.fsync(descriptor)
            except OSError as error:
                raise self._unusable(
                    f"cannot be written ({error.strerror})", "Make room on the disk; no token was rotated"
                ) from None
            try:
                yield Replacement(descriptor, successor, self.path)
            except OSError as error:
                raise self._unusable(
                    f"could not be replaced after Pleo rotated the tokens ({error.strerror})",
                    "Authorise the connector again in Pleo and set the new 'refresh_token'",
                ) from None
        finally:
            os.close(descriptor)
            successor.unlink(missing_ok=True)

    def _unusable(self, what: str, remedy: str) -> TokenFileUnusable:
        return TokenFileUnusable(str(self.path), what, remedy)


class Replacement:
    """The next version of the token file."""

    def __init__(self, descriptor: int, successor: Path, path: Path) -> None:
        self._descriptor = descriptor
        self._successor = successor
        self._path = path

    def commit(self, tokens: Tokens) -> None:
        """Write the tokens and replace the file; they are on the disk when this returns."""
        content = msgspec.json.encode(tokens)
        written = 0
        while written < len(content):
            written += os.pwrite(self._descriptor, content[written:], written)
        os.ftruncate(self._descriptor, len(content))
        os.fsync(self._descriptor)
        self._successor.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
