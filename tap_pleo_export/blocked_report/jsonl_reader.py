"""Records out of lines: Singer messages, or JSONL with a record each; told apart line by line."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Protocol

from tap_pleo_export.blocked_report.problems import ReportError
from tap_pleo_export.singer.exact_json import decode, members

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_pleo_export.singer.exact_json import Members

LONGEST_LINE = 128 << 20
"""Bytes of a line beyond which it is no record."""

# Tuples, for a hostile value may not be hashable.
_MESSAGES = ("SCHEMA", "STATE", "ACTIVATE_VERSION")
_ITEM_STREAMS = ("export_items", "export_items_failed")


class Records(Protocol):
    """Where records go."""

    def add_job(self, members: Members, at: str) -> None:
        """Take an export job."""

    def add_status(self, members: Members, at: str) -> None:
        """Take a job item."""

    def add_item(self, members: Members, at: str) -> None:
        """Take an export item."""


def read_lines(source: IO[bytes], name: str, at: str, into: Records, tick: Callable[[int], None]) -> None:
    """Read lines to their end.

    Args:
        source: The lines.
        name: What they are called in errors.
        at: Moment of records that do not tell theirs, ISO 8601, or "".
        into: Where records go.
        tick: Told the bytes of each line.

    Raises:
        ReportError: A line is no record; names its number and shows nothing of it.
    """
    number = 0
    while line := source.readline(LONGEST_LINE):
        number += 1
        tick(len(line))
        if line.isspace():
            continue
        try:
            _read_line(line, at, into)
        except (ValueError, RecursionError) as problem:
            why = str(problem) if isinstance(problem, _LineError) else "is not a JSON object"
            raise ReportError(
                f"{name}: line {number} {why}; expected what pleo-validate writes, or JSONL with a record a line"
            ) from None


class _LineError(ValueError):
    """What is wrong with a line, in words."""


def _read_line(line: bytes, at: str, into: Records) -> None:
    found = members(line)
    kind = decode(found["type"]) if "type" in found else None
    if kind == "RECORD" and "record" in found:
        moment = decode(found["time_extracted"]) if "time_extracted" in found else None
        extracted = moment if isinstance(moment, str) else at
        _take(members(found["record"]), decode(found.get("stream", b"null")), extracted, into)
    elif kind == "BATCH":
        raise _LineError("is a BATCH message, which holds no records: have the tap write records")
    elif kind not in _MESSAGES or "accountingEntryId" in found:
        _take(found, None, at, into)


def _take(record: Members, stream: object, at: str, into: Records) -> None:
    moment = decode(record["_sdc_extracted_at"]) if "_sdc_extracted_at" in record else None
    at = moment if isinstance(moment, str) else at
    if stream in _ITEM_STREAMS or (stream is None and "jobId" in record and "accountingEntryId" in record):
        # An update out of the mapper has these ids, too, and nothing of the item.
        if stream is None and "status" in record and "amount" not in record:
            return
        into.add_item(record, at)
    elif stream == "export_job_items" or (stream is None and "exportJobId" in record):
        into.add_status(record, at)
    elif stream == "export_jobs" or (stream is None and "numberOfItems" in record):
        into.add_job(record, at)
