"""Temporary database of the records."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Final

import msgspec

from tap_pleo_export.blocked_report import item as reading
from tap_pleo_export.blocked_report.grouping import with_status
from tap_pleo_export.blocked_report.item import JobItemStatus, ReportItem, ReportJob
from tap_pleo_export.text import parse_time

if TYPE_CHECKING:
    from tap_pleo_export.singer.exact_json import Members

ITEM_STREAMS: Final = ("export_items_failed", "export_items")
_READERS: Final[dict[str, Callable[[Members], ReportJob | JobItemStatus | ReportItem | None]]] = {
    "export_jobs": reading.read_job,
    "export_job_items": reading.read_status,
    **dict.fromkeys(ITEM_STREAMS, reading.read_item),
}
# `detail` is the column that the queries sort or group by.
_CREATE: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE record (kind TEXT, job TEXT, entry TEXT, at TEXT, detail TEXT, body BLOB, PRIMARY KEY (kind, job, entry));
BEGIN;
"""
_ADD: Final = """
INSERT INTO record VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, detail = excluded.detail,
body = excluded.body WHERE excluded.at >= record.at
"""
_JOBS: Final = "SELECT body FROM record WHERE kind = 'job' ORDER BY detail, job"
_ITEMS: Final = """
SELECT item.body, status.body FROM record AS item
LEFT JOIN record AS status ON status.kind = 'status' AND status.job = item.job AND status.entry = item.entry
LEFT JOIN record AS job ON job.kind = 'job' AND job.job = item.job
WHERE item.kind = 'item' ORDER BY job.detail, item.job, item.detail, item.entry
"""
_JOB_ITEMS_ONLY: Final = """
SELECT job, detail, count(*) FROM record AS status WHERE kind = 'status' AND NOT EXISTS
(SELECT 1 FROM record AS item WHERE item.kind = 'item' AND item.job = status.job AND item.entry = status.entry)
GROUP BY 1, 2
"""


class ReportError(Exception):
    """The report cannot be made; one line with the problem and the remedy."""


class RecordStore:
    """Accepts records in any order and keeps the newest version of each on disk.

    Args:
        time_zone: The time zone of the items' days.

    Attributes:
        unreadable: Number of records without ids.
        validated: Whether any item has a verdict.
        items: Number of export items received, repeated ones included.
    """

    def __init__(self, time_zone: tzinfo = UTC) -> None:
        self._time_zone = time_zone
        # SQLite deletes a file with an empty name when the connection closes, and no other process can open it.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_CREATE)
        self.unreadable = 0
        self.validated = False
        self.items = 0
        self._newest = ""

    def add(self, stream: str, members: Members, at: str) -> None:
        """Add a record of a stream, read from Pleo at an ISO 8601 time, or "" if unknown."""
        self.items += stream in ITEM_STREAMS
        match record := _READERS[stream](members):
            case ReportJob():
                kind, job, entry, detail = "job", record.id, "", record.created
            case JobItemStatus():
                kind, job, entry, detail = "status", record.job, record.entry, record.status
            case ReportItem():
                self.validated = self.validated or bool(record.verdict)
                record, detail = _on_its_day(record, self._time_zone)
                kind, job, entry = "item", record.job, record.entry
            case None:
                self.unreadable += 1
                return
        time = parse_time(at)
        text = time.isoformat(timespec="microseconds") if time else ""
        self._newest = max(self._newest, text)
        self._database.execute(_ADD, (kind, job, entry, text, detail, _encode(record)))

    @property
    def as_of(self) -> datetime | None:
        """Time of the newest record, if known."""
        return parse_time(self._newest)

    def jobs(self) -> list[ReportJob]:
        """Return the jobs, the oldest first."""
        return [_decode_job(body) for (body,) in self._database.execute(_JOBS)]

    def items_except(self, jobs: set[str]) -> Iterator[ReportItem]:
        """Yield the items by job and date, without those of some jobs."""
        for body, status in self._database.execute(_ITEMS):
            item = _decode_item(body)
            if item.job not in jobs:
                yield with_status(item, _decode_status(status)) if status else item

    def job_items_only(self) -> Iterator[tuple[str, str, int]]:
        """Yield job, status and number of the job items without an export item."""
        yield from self._database.execute(_JOB_ITEMS_ONLY)

    def close(self) -> None:
        """Delete all data."""
        self._database.close()


def _on_its_day(item: ReportItem, zone: tzinfo) -> tuple[ReportItem, str]:
    """Return an item with its day in a time zone, and its time there to sort by; a date without a time is kept."""
    time = parse_time(item.date) if len(item.date) > len("2026-01-31") else None
    if time is None:
        return item, item.date
    local = time.astimezone(zone)
    return msgspec.structs.replace(item, date=local.date().isoformat()), local.isoformat()


_encode = msgspec.msgpack.Encoder(decimal_format="string").encode
_decode_job = msgspec.msgpack.Decoder(ReportJob).decode
_decode_status = msgspec.msgpack.Decoder(JobItemStatus).decode
_decode_item = msgspec.msgpack.Decoder(ReportItem).decode
