"""Check the stored receipts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

STORED = """
    SELECT file->>'storedPath', file->>'sha256', file->>'storeError'
    FROM export_items CROSS JOIN LATERAL unnest(files) AS file
    WHERE file ?| array['storedPath', 'storeError']
"""


def check(folder: Path, connection: psycopg.Connection[Any]) -> tuple[str, bool]:
    """Compare the stored files with the database."""
    rows = connection.execute(STORED).fetchall()
    expected = {path: sha256 for path, sha256, error in rows if error is None}
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    failed = sum(error is not None for *_, error in rows)
    hashes = "hashes equal to the database's" if expected == found else "hashes DIFFER from the database's"
    equal = expected == found and bool(expected) and not failed
    return f"{len(found)} receipts in {folder}, {hashes}, {failed} not stored", equal
