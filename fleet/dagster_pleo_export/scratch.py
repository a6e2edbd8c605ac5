"""Temporary folders of runs. Meltano writes settings into them, secrets too, so a dead run's folder is removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_pleo_export.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "pleo-run-"


@contextmanager
def folder() -> Iterator[tuple[Path, int]]:
    """Make a folder of mode 0700, and remove it in the end.

    Yields the folder and a descriptor that locks it, also in processes that inherit it: :func:`sweep` spares it.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        descriptor = os.open(name, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Path(name), descriptor
        finally:
            os.close(descriptor)


def sweep() -> None:
    """Remove this user's folders whose processes are gone."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            # Of another user, or removed meanwhile.
            continue
        try:
            # An empty one may be a folder that is not locked yet.
            if os.fstat(descriptor).st_uid == os.geteuid() and any(path.iterdir()) and try_lock(descriptor):
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)
