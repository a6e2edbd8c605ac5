# ruff: noqa: INP001, S608 - dbt runs this file as it is; no name comes from outside
"""What target-jsonl has appended to its files since the staging tables read them: only that is read."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO, Any

Session = Any

STREAMS = ("export_jobs", "export_job_items", "export_items")
DIGEST_BYTES = 4096
CHUNK_BYTES = 1 << 24
LONGEST_LINE = 1 << 27
LINES = (
    "select row_number() over () as number, line from read_csv(?, columns = {'line': 'varchar'}, delim = chr(1), "
    "quote = '', escape = '', header = false, auto_detect = false, parallel = false, new_line = '\\n', "
    f"max_line_size = {LONGEST_LINE})"
)
TABLE = (
    "create or replace temp table pleo_new_lines (stream varchar, line_number bigint, line varchar, is_valid boolean, "
    "file_position bigint, file_digest varchar)"
)


def model(dbt: Any, session: Session) -> Any:  # noqa: ANN401 - dbt's objects have no types
    """Return the new lines of each stream, each with the position read so far and a digest of the bytes before it."""
    dbt.config(materialized="table")
    folder = Path(dbt.config.get("pleo_files"))
    known = dbt.source("pleo_export", "pleo_read_positions").fetchall()
    positions = {stream: (position, digest) for stream, position, digest in known}
    session.execute(TABLE)
    for stream in STREAMS:
        path = folder / f"{stream}.jsonl"
        if path.exists():
            read_new(session, stream, path, positions.get(stream))
    return session.table("pleo_new_lines")


def read_new(session: Session, stream: str, path: Path, known: tuple[int, str] | None) -> None:
    """Append a file's new lines to the table; a line that is still being written waits for the next build."""
    with path.open("rb") as file:
        start = known[0] if known and digest_before(file, known[0]) == known[1] else 0
        end = last_newline(file, start)
        if end == start:
            return
        digest = digest_before(file, end)
        with tempfile.NamedTemporaryFile(suffix=".jsonl") as tail:
            file.seek(start)
            remaining = end - start
            while remaining and (chunk := file.read(min(CHUNK_BYTES, remaining))):
                tail.write(chunk)
                remaining -= len(chunk)
            tail.flush()
            session.execute(
                f"insert into pleo_new_lines select ?, ? + number, line, json_valid(line), ?, ? from ({LINES}) "
                "where trim(line) <> ''",
                [stream, start, end, digest, tail.name],
            )


def digest_before(file: IO[bytes], position: int) -> str:
    """Return the digest of the bytes before a position: another file, or a shorter one, has another."""
    file.seek(max(0, position - DIGEST_BYTES))
    return hashlib.sha256(file.read(min(position, DIGEST_BYTES))).hexdigest()


def last_newline(file: IO[bytes], start: int) -> int:
    """Return the position after the last newline, at least the start."""
    end = file.seek(0, os.SEEK_END)
    while end > start:
        begin = max(start, end - CHUNK_BYTES)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return start
