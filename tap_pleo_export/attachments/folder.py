"""A folder as destination: each file is written under a temporary name, flushed to the disk, and renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tap_pleo_export.attachments.errors import StoreUnusable

_UNFINISHED = (".unfinished-", ".part")


class Folder:
    """A folder; safe to share between threads and processes.

    Args:
        destination: Its path or `file` URL; it is created.

    Raises:
        StoreUnusable: Files cannot be written there.
    """

    def __init__(self, destination: str) -> None:
        address = urlsplit(destination)
        self._path = Path(unquote(address.path) if address.scheme else destination).expanduser()
        try:
            _make(self._path)
            # An existing folder may still refuse files.
            with self._unfinished():
                pass
            self._clean()
        except OSError as error:
            raise StoreUnusable(f"Setting 'destination': files cannot be written there ({error.strerror})") from None

    def put(self, name: str, content: bytes | Iterable[bytes]) -> None:
        """Store a file that only its owner can read; once this returns, it survives a loss of power.

        Raises:
            OSError: It was not stored.
        """
        place = self._path / name
        with self._unfinished() as (descriptor, unfinished):
            with open(descriptor, "wb", closefd=False) as file:
                file.writelines([content] if isinstance(content, bytes) else content)
            os.fsync(descriptor)
            _make(place.parent)
            unfinished.replace(place)
        _sync(place.parent)

    @contextlib.contextmanager
    def _unfinished(self) -> Iterator[tuple[int, Path]]:
        """Give a new file, mode 0600, which is removed unless it was moved."""
        prefix, suffix = _UNFINISHED
        descriptor, name = tempfile.mkstemp(suffix, prefix, self._path)
        try:
            yield descriptor, Path(name)
        finally:
            os.close(descriptor)
            Path(name).unlink(missing_ok=True)

    def _clean(self) -> None:
        """Remove what killed runs left, unless another run is writing here; show others that this one is."""
        descriptor = os.open(self._path, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        # Some network file systems have no locks: then the files stay.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for file in self._path.glob("*".join(_UNFINISHED)):
                file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)


def _make(folder: Path) -> None:
    """Create a folder and those above it, and flush their entries to the disk."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot flush a folder.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)
