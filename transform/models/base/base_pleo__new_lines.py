# ruff: noqa: INP001, S608 - dbt runs this file as it is; no name comes from outside
"""What target-jsonl has appended to its files since the staging tables read them: only that is read."""

from __future__ import annotations

import codecs
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

Session = Any

KEYS = {
    "export_jobs": ("id",),
    "export_job_items": ("exportJobId", "accountingEntryId"),
    "export_items": ("jobId", "accountingEntryId"),
}
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
    "file_line bigint, file_position bigint, file_digest varchar)"
)
# DuckDB reads neither these two nor text that is not UTF-8. A line with a 2 is not JSON, so it is left out.
CONTROLS = bytes.maketrans(b"\x01\r", b"\x02 ")
codecs.register_error("pleo_not_text", lambda error: ("\x02" * (error.end - error.start), error.end))


def model(dbt: Any, session: Session) -> Any:  # noqa: ANN401 - dbt's objects have no types
    """Return the new lines of each stream, each with the position read so far and a digest of the bytes before it."""
    dbt.config(materialized="table")
    folder = Path(dbt.config.get("pleo_files"))
    known = dbt.source("pleo_export_builds", "pleo_read_positions").fetchall()
    positions = {stream: (position, digest) for stream, position, digest in known}
    session.execute(TABLE)
    for stream in KEYS:
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
            copy(file, start, end, tail)
            session.execute(
                f"insert into pleo_new_lines select ?, ? + number, line, case when json_valid(line) "
                "then list_count(json_extract_string(line, ?)) = ? else false end, null, ?, ? "
                f"from ({LINES}) where trim(line) <> ''",
                [stream, start, [f"$.{key}" for key in KEYS[stream]], len(KEYS[stream]), end, digest, tail.name],
            )
        invalid = "stream = ? and not is_valid"
        if session.execute(f"select 1 from pleo_new_lines where {invalid} limit 1", [stream]).fetchall():
            before = lines_before(file, start) - start
            session.execute(f"update pleo_new_lines set file_line = line_number + ? where {invalid}", [before, stream])


def copy(file: IO[bytes], start: int, end: int, to: IO[bytes]) -> None:
    """Copy a part of a file, with all that DuckDB cannot read replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")("pleo_not_text")
    for chunk in chunks(file, start, end):
        to.write(decoder.decode(chunk.translate(CONTROLS)).encode())
    to.write(decoder.decode(b"", final=True).encode())
    to.flush()


def chunks(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    """Yield a part of a file."""
    file.seek(start)
    while start < end and (chunk := file.read(min(CHUNK_BYTES, end - start))):
        start += len(chunk)
        yield chunk


def lines_before(file: IO[bytes], position: int) -> int:
    """Return the number of lines before a position."""
    return sum(chunk.count(b"\n") for chunk in chunks(file, 0, position))


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
