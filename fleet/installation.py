"""The fleet of this process: the file that ``PLEO_FLEET`` names, read again when it changes, and one discovery."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import sqlalchemy

from fleet import secrets
from fleet.companies import Fleet, FleetError, read, read_file
from fleet.discovery import Discovery
from fleet.fleet_file import Table

FILE = "PLEO_FLEET"
DEFAULT = "fleet.yml"

_lock = threading.Lock()
_known: dict[Path, tuple[tuple[int, int], Fleet]] = {}
_discoveries: dict[int, Discovery] = {}


def path() -> Path:
    """Return where the fleet file is."""
    return Path(os.environ.get(FILE, DEFAULT))


def fleet() -> Fleet:
    """Return the fleet as the file, and the table if it names one, have it now.

    Raises:
        FleetError: It cannot be used.
        SecretMissing: The table's address is not there.
    """
    where = path()
    try:
        status = where.stat()
    except OSError as error:
        raise FleetError(f"The fleet file {where} cannot be read: {error.strerror}. Set {FILE}") from None
    stamp = status.st_mtime_ns, status.st_size
    with _lock:
        if where in _known and _known[where][0] == stamp:
            return _known[where][1]
        file = read_file(where)
        if isinstance(file.companies, Table):
            return read(where, _rows(file.companies, where.parent))
        _known[where] = stamp, read(where)
        return _known[where][1]


def discovery(requests_at_once: int) -> Discovery:
    """Return this process's discovery, with its open connections."""
    with _lock:
        if requests_at_once not in _discoveries:
            _discoveries[requests_at_once] = Discovery(requests_at_once)
        return _discoveries[requests_at_once]


def _rows(table: Table, folder: Path) -> list[dict[str, Any]]:
    engine = sqlalchemy.create_engine(secrets.look_up(table.url, folder), poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(sqlalchemy.text(table.query)).mappings()]
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise FleetError(f"The table of companies cannot be read: {type(error).__name__}") from None
    finally:
        engine.dispose()
