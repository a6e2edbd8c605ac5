"""What the demo says about the receipts that were stored."""

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
    """Hold the stored files against what the database says of them.

    Returns:
        A line about it, and whether every file is there with the bytes that its row names, and nothing else.
    """
    rows = connection.execute(STORED).fetchall()
    told = {path: sha256 for path, sha256, error in rows if error is None}
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    failed = sum(error is not None for *_, error in rows)
    equal = told == found and bool(told) and not failed
    hashes = "hashes equal to the database's" if told == found else "hashes DIFFER from the database's"
    return f"{len(found)} receipts in {folder}, {hashes}, {failed} not stored", equal
