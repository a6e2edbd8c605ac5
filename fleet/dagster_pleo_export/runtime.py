"""State of this process: the fleet file named by ``PLEO_FLEET``, read again when it changes, and one discovery."""

from __future__ import annotations

import functools
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy

from dagster_pleo_export import secrets
from dagster_pleo_export.companies import Fleet, read, read_file
from dagster_pleo_export.fleet_file import CompanyTable, FleetError
from dagster_pleo_export.secrets import SecretMissing

if TYPE_CHECKING:
    from dagster_pleo_export.discovery import Discovery

_lock = threading.Lock()
_cache: dict[Path, tuple[tuple[int, int], Fleet]] = {}
# Fleets with a table, and when they were read.
_tables: dict[Path, tuple[float, Fleet]] = {}
# The same with the stamps of their files.
_last: dict[Path, tuple[tuple[int, int], Fleet]] = {}


def path() -> Path:
    """Return the path of the fleet file."""
    return Path(os.environ.get("PLEO_FLEET", "fleet.yml"))


def last_known_fleet(max_age: float = 0.0) -> Fleet:
    """Return the fleet; while its table of companies cannot be read, the companies that this process read last.

    Raises as :func:`fleet`, if this process has read none since the file changed.
    """
    try:
        return fleet(max_age)
    except (FleetError, SecretMissing) as error:
        stamp, known = _last.get(path(), (None, None))
        if known is None or stamp != _stamp(path()):
            raise
        line = f"{error}; the companies that were read last are used"
        return msgspec.structs.replace(known, problems=(line, *known.problems))


def fleet(max_age: float = 0.0) -> Fleet:
    """Return the fleet as the file, and its table of companies if any, describe it now.

    Args:
        max_age: How many seconds old the table's rows may be.

    Raises:
        FleetError: It cannot be used.
        SecretMissing: The table's address is missing.
    """
    where = path()
    with _lock:
        stamp = _stamp(where)
        if where in _cache and _cache[where][0] == stamp:
            return _cache[where][1]
        if where in _tables and time.monotonic() - _tables[where][0] < max_age:
            return _tables[where][1]
        file = read_file(where)
        if isinstance(file.companies, CompanyTable):
            found = read(where, _rows(file.companies, where.parent))
            _tables[where], _last[where] = (time.monotonic(), found), (stamp, found)
            return found
        _cache[where] = stamp, read(where)
        return _cache[where][1]


@functools.cache
def discovery(requests_at_once: int) -> Discovery:
    """Return this process's discovery, with its open connections."""
    from dagster_pleo_export.discovery import Discovery  # noqa: PLC0415 - slow, and a run needs none

    return Discovery(requests_at_once)


def _stamp(where: Path) -> tuple[int, int]:
    """Return what changes when the file is written; for a missing file, which is never cached, zeros."""
    try:
        status = where.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _rows(table: CompanyTable, folder: Path) -> list[dict[str, Any]]:
    url = secrets.look_up(table.url, folder)
    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError) as error:
        # Their texts may contain the address, so its password.
        raise FleetError(f"The address of the table of companies cannot be used: {type(error).__name__}") from None
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(sqlalchemy.text(table.query)).mappings()]
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise FleetError(f"The table of companies cannot be read: {type(error).__name__}") from None
    finally:
        engine.dispose()
