"""Records from lines: Singer messages, or JSONL files with one record per line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from tap_pleo_export.blocked_report.record_store import ITEM_STREAMS, ReportError
from tap_pleo_export.singer.exact_json import decode, members

if TYPE_CHECKING:
    from tap_pleo_export.blocked_report.record_store import RecordStore
    from tap_pleo_export.singer.exact_json import Members

MAX_LINE = 128 << 20
"""Bytes of the longest line that is read whole."""

_EXPECTED = "expected output of pleo-validate, or JSONL with a record per line"
# Tuples, because a value from a line may not be hashable.
_OTHER_MESSAGES = ("SCHEMA", "STATE", "ACTIVATE_VERSION")
_STREAMS = ("export_jobs", "export_job_items", *ITEM_STREAMS)


def read_lines(source: IO[bytes], name: str, at: str, store: RecordStore, tick: Callable[[int], None]) -> None:
    """Read lines into a store until they end; warn of those that are broken, if there are records at all.

    Args:
        source: The lines.
        name: Name of the source in errors, which show the number of a line but never its content.
        at: ISO 8601 time of records without a time, or "".
        store: Receives the records.
        tick: Called with the size of each line in bytes.
    """
    records, broken = 0, _BrokenLines(name)
    for number, line in enumerate(iter(lambda: source.readline(MAX_LINE), b""), 1):
        tick(len(line))
        if line.isspace():
            continue
        try:
            records += _read_line(line, at, store)
        except _LineError as error:
            raise ReportError(f"{name}: line {number} {error}; {_EXPECTED}") from None
        except (ValueError, RecursionError):
            broken.add(number)
    broken.report(records)


class _BrokenLines:
    """The broken lines of a source, such as a writer leaves that was killed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._first = self._count = 0

    def add(self, number: int) -> None:
        self._first = self._first or number
        self._count += 1

    def report(self, records: int) -> None:
        """Warn on standard error.

        Raises:
            ReportError: The source has broken lines and no records.
        """
        if self._count and not records:
            raise ReportError(f"{self._name}: line {self._first} is not a JSON object; {_EXPECTED}")
        if self._count:
            more = f", and {self._count - 1} more like it" if self._count > 1 else ""
            sys.stderr.write(f"WARNING {self._name}: skipped line {self._first}, which is not a JSON object{more}\n")


class _LineError(ValueError):
    """The problem of a line, as the end of a sentence."""


def _read_line(line: bytes, at: str, store: RecordStore) -> bool:
    """Return whether the line is a record."""
    message = members(line)
    kind = decode(message.get("type", b"null"))
    if kind == "RECORD" and "record" in message:
        extracted = decode(message.get("time_extracted", b"null"))
        record, stream = members(message["record"]), decode(message.get("stream", b"null"))
        stream = _stream_of(record) if stream is None else stream
        return _add(record, stream, extracted if isinstance(extracted, str) else at, store)
    if kind == "BATCH":
        raise _LineError("is a BATCH message, which has no records: configure the tap to write records")
    if kind not in _OTHER_MESSAGES or "accountingEntryId" in message:
        return _add(message, _stream_of(message), at, store)
    return False


def _add(record: Members, stream: object, at: str, store: RecordStore) -> bool:
    if not isinstance(stream, str) or stream not in _STREAMS:
        return False
    extracted = decode(record.get("_sdc_extracted_at", b"null"))
    store.add(stream, record, extracted if isinstance(extracted, str) else at)
    return True


def _stream_of(record: Members) -> str | None:
    """Return the stream of a record by its members."""
    if "jobId" in record and "accountingEntryId" in record:
        # The mapper's updates have the same ids and a status, but no amount.
        return None if "status" in record and "amount" not in record else "export_items"
    if "exportJobId" in record:
        return "export_job_items"
    return "export_jobs" if "numberOfItems" in record else None
