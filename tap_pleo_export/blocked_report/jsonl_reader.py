"""Records from lines: Singer messages, or JSONL files with one record per line."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from tap_pleo_export.blocked_report.record_store import ITEM_STREAMS, ReportError
from tap_pleo_export.singer.exact_json import decode, members

if TYPE_CHECKING:
    from tap_pleo_export.blocked_report.record_store import RecordStore
    from tap_pleo_export.singer.exact_json import Members

MAX_LINE = 128 << 20
"""Bytes of the longest line that is read whole."""

# Tuples, because a value from a line may not be hashable.
_OTHER_MESSAGES = ("SCHEMA", "STATE", "ACTIVATE_VERSION")
_STREAMS = ("export_jobs", "export_job_items", *ITEM_STREAMS)


def read_lines(source: IO[bytes], name: str, at: str, store: RecordStore, tick: Callable[[int], None]) -> None:
    """Read lines into a store until they end.

    Args:
        source: The lines.
        name: Name of the source in errors, which show the number of a line but never its content.
        at: ISO 8601 time of records without a time, or "".
        store: Receives the records.
        tick: Called with the size of each line in bytes.
    """
    for number, line in enumerate(iter(lambda: source.readline(MAX_LINE), b""), 1):
        tick(len(line))
        if line.isspace():
            continue
        try:
            _read_line(line, at, store)
        except (ValueError, RecursionError) as error:
            problem = str(error) if isinstance(error, _LineError) else "is not a JSON object"
            raise ReportError(
                f"{name}: line {number} {problem}; expected output of pleo-validate, or JSONL with a record per line"
            ) from None


class _LineError(ValueError):
    """The problem of a line, as the end of a sentence."""


def _read_line(line: bytes, at: str, store: RecordStore) -> None:
    message = members(line)
    kind = decode(message.get("type", b"null"))
    if kind == "RECORD" and "record" in message:
        extracted = decode(message.get("time_extracted", b"null"))
        record, stream = members(message["record"]), decode(message.get("stream", b"null"))
        stream = _stream_of(record) if stream is None else stream
        _add(record, stream, extracted if isinstance(extracted, str) else at, store)
    elif kind == "BATCH":
        raise _LineError("is a BATCH message, which has no records: configure the tap to write records")
    elif kind not in _OTHER_MESSAGES or "accountingEntryId" in message:
        _add(message, _stream_of(message), at, store)


def _add(record: Members, stream: object, at: str, store: RecordStore) -> None:
    if isinstance(stream, str) and stream in _STREAMS:
        extracted = decode(record.get("_sdc_extracted_at", b"null"))
        store.add(stream, record, extracted if isinstance(extracted, str) else at)


def _stream_of(record: Members) -> str | None:
    """Return the stream of a record by its members."""
    if "jobId" in record and "accountingEntryId" in record:
        # The mapper's updates have the same ids and a status, but no amount.
        return None if "status" in record and "amount" not in record else "export_items"
    if "exportJobId" in record:
        return "export_job_items"
    return "export_jobs" if "numberOfItems" in record else None
