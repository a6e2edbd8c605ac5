"""Temporary database of the records."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Final

import msgspec

from tap_pleo_export.blocked_report import item as reading
from tap_pleo_export.blocked_report.causes import with_company_names
from tap_pleo_export.blocked_report.grouping import ABANDONED, has_ended, with_status
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
# `detail` is the column that the queries sort or group by. Jobs have the entry ''. The delivery of an entry that counts
# has the place 1: the latest in a job that can still be written to, otherwise the latest.
_CREATE: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE record (
  entry TEXT, job TEXT, kind TEXT, at TEXT, detail TEXT, is_over INTEGER, body BLOB, PRIMARY KEY (entry, job, kind)
);
CREATE VIEW delivery AS
SELECT each.entry, each.job, job.detail AS created, row_number() OVER (
  PARTITION BY each.entry
  ORDER BY max(each.is_over, coalesce(job.is_over, 0)), coalesce(job.detail, '') DESC, each.job DESC
) AS place
FROM (SELECT entry, job, max(is_over) AS is_over FROM record WHERE entry <> '' GROUP BY entry, job) AS each
LEFT JOIN record AS job ON job.entry = '' AND job.job = each.job AND job.kind = 'job';
BEGIN;
"""
_ADD: Final = """
INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, detail = excluded.detail,
is_over = excluded.is_over, body = excluded.body WHERE excluded.at >= record.at
"""
_JOBS: Final = "SELECT body FROM record WHERE entry = '' AND kind = 'job' ORDER BY detail, job"
_ITEMS: Final = """
SELECT item.body, status.body FROM delivery
JOIN record AS item ON item.entry = delivery.entry AND item.job = delivery.job AND item.kind = 'item'
LEFT JOIN record AS status ON status.entry = delivery.entry AND status.job = delivery.job AND status.kind = 'status'
WHERE place = 1 ORDER BY created, delivery.job, item.detail, delivery.entry
"""
_JOB_ITEMS_ONLY: Final = """
SELECT status.body FROM delivery
JOIN record AS status ON status.entry = delivery.entry AND status.job = delivery.job AND status.kind = 'status'
WHERE place = 1 AND NOT EXISTS
(SELECT 1 FROM record AS item WHERE item.entry = status.entry AND item.job = status.job AND item.kind = 'item')
ORDER BY created, delivery.job, delivery.entry
"""
_COUNTED_ELSEWHERE: Final = "SELECT job, count(*) FROM delivery WHERE place > 1 GROUP BY 1"


class ReportError(Exception):
    """The report cannot be made; one line with the problem and the remedy."""


class RecordStore:
    """Accepts records in any order and keeps the newest version of each on disk.

    Args:
        time_zone: The time zone of the items' days.
        now: The time that decides which jobs are over; None is the present.
        companies: Names of companies by their ids in lower case.

    Attributes:
        unreadable: Number of records without ids.
        validated: Whether any item has a verdict.
        items: Number of export items received, repeated ones included.
        running: Expiries by id of the jobs that are not over.
    """

    def __init__(
        self, time_zone: tzinfo = UTC, now: datetime | None = None, companies: Mapping[str, str] | None = None
    ) -> None:
        self._time_zone = time_zone
        self._now = now or datetime.now(UTC)
        self._companies = companies or {}
        # SQLite deletes a file with an empty name when the connection closes, and no other process can open it.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_CREATE)
        self.unreadable = 0
        self.validated = False
        self.items = 0
        self.running: dict[str, datetime] = {}
        self._newest = ""

    def add(self, stream: str, members: Members, at: str) -> None:
        """Add a record of a stream, read from Pleo at an ISO 8601 time, or "" if unknown."""
        self.items += stream in ITEM_STREAMS
        is_over = False
        match record := _READERS[stream](members):
            case ReportJob():
                is_over = has_ended(record, self._now)
                company = self._companies.get(record.company, record.company)
                record = msgspec.structs.replace(record, is_over=is_over, company=company)
                if not is_over and (expires := parse_time(record.expires)):
                    self.running[record.id] = expires
                kind, job, entry, detail = "job", record.id, "", record.created
            case JobItemStatus():
                is_over = record.status == ABANDONED
                kind, job, entry, detail = "status", record.job, record.entry, record.status
            case ReportItem():
                self.validated = self.validated or bool(record.verdict)
                is_over = record.status == ABANDONED
                record, detail = _on_its_day(self._with_company(record), self._time_zone)
                kind, job, entry = "item", record.job, record.entry
            case None:
                self.unreadable += 1
                return
        time = parse_time(at)
        text = time.isoformat(timespec="microseconds") if time else ""
        self._newest = max(self._newest, text)
        self._database.execute(_ADD, (entry, job, kind, text, detail, is_over, _encode(record)))

    @property
    def as_of(self) -> datetime | None:
        """Time of the newest record, if known."""
        return parse_time(self._newest)

    def jobs(self) -> list[ReportJob]:
        """Return the jobs, the oldest first."""
        return [_decode_job(body) for (body,) in self._database.execute(_JOBS)]

    def items_except(self, jobs: set[str]) -> Iterator[ReportItem]:
        """Yield the items by job and date, each entry once, without those of some jobs."""
        for body, status in self._database.execute(_ITEMS):
            item = _decode_item(body)
            if item.job not in jobs:
                yield with_status(item, _decode_status(status)) if status else item

    def job_items_only(self, jobs: set[str]) -> Iterator[JobItemStatus]:
        """Yield the job items without an export item by job, each entry once, without those of some jobs."""
        for (body,) in self._database.execute(_JOB_ITEMS_ONLY):
            listed = _decode_status(body)
            if listed.job not in jobs:
                yield listed

    def counted_elsewhere(self) -> Iterator[tuple[str, int]]:
        """Yield job and number of the entries that count for another job, which delivered them, too."""
        yield from self._database.execute(_COUNTED_ELSEWHERE)

    def _with_company(self, item: ReportItem) -> ReportItem:
        if not self._companies:
            return item
        company = self._companies.get(item.company, item.company)
        causes = with_company_names(item.causes, self._companies)
        return msgspec.structs.replace(item, company=company, causes=causes)

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
