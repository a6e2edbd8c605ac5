"""What was read, on the disk while the report is made: each record once, in its newest form, in order."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from tap_pleo_export.blocked_report.grouping import has_ended, with_status
from tap_pleo_export.blocked_report.item import Item, Job, parse_moment, read_item, read_job, read_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.singer.exact_json import Members

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE job (id TEXT PRIMARY KEY, at TEXT, created TEXT, body BLOB);
CREATE TABLE status (job TEXT, entry TEXT, at TEXT, status TEXT, kind TEXT, reason TEXT, PRIMARY KEY (job, entry));
CREATE TABLE item (job TEXT, entry TEXT, at TEXT, date TEXT, body BLOB, PRIMARY KEY (job, entry));
BEGIN;
"""
_JOB = """
INSERT INTO job VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, created = excluded.created,
body = excluded.body WHERE excluded.at >= job.at
"""
_STATUS = """
INSERT INTO status VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, status = excluded.status,
kind = excluded.kind, reason = excluded.reason WHERE excluded.at >= status.at
"""
_ITEM = """
INSERT INTO item VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, date = excluded.date,
body = excluded.body WHERE excluded.at >= item.at
"""
_ITEMS = """
SELECT item.body, status.status, status.kind, status.reason FROM item
LEFT JOIN status ON status.job = item.job AND status.entry = item.entry LEFT JOIN job ON job.id = item.job
ORDER BY job.created, item.job, item.date, item.entry
"""
_UNREAD = """
SELECT status.job, status.status, count(*) FROM status
WHERE NOT EXISTS (SELECT 1 FROM item WHERE item.job = status.job AND item.entry = status.entry) GROUP BY 1, 2
"""


class Spool:
    """Takes records in any order, as often as they come.

    Attributes:
        unreadable: Records without ids.
        validated: Whether any item came with a verdict.
        items: How many items came, repeated ones included.
    """

    def __init__(self) -> None:
        # An empty name is a file that nobody else can see and that is gone with the connection.
        self._data = sqlite3.connect("", isolation_level=None)
        self._data.executescript(_TABLES)
        self.unreadable = 0
        self.validated = False
        self.items = 0
        self._newest = ""

    def add_job(self, members: Members, at: str) -> None:
        """Take an export job, read at that moment."""
        job = read_job(members)
        if job is None:
            self.unreadable += 1
            return
        self._data.execute(_JOB, (job.id, self._moment(at), job.created, msgspec.msgpack.encode(job)))

    def add_status(self, members: Members, at: str) -> None:
        """Take a job item, read at that moment."""
        status = read_status(members)
        if status is None:
            self.unreadable += 1
            return
        self._data.execute(
            _STATUS, (status.job, status.entry, self._moment(at), status.status, status.kind, status.reason)
        )

    def add_item(self, members: Members, at: str) -> None:
        """Take an export item, read at that moment."""
        self.items += 1
        item = read_item(members)
        if item is None:
            self.unreadable += 1
            return
        self.validated = self.validated or bool(item.verdict)
        self._data.execute(_ITEM, (item.job, item.entry, self._moment(at), item.date, _encode(item)))

    @property
    def as_of(self) -> datetime | None:
        """Moment of the newest record; None if none tells."""
        return parse_moment(self._newest)

    def jobs(self) -> list[Job]:
        """Return the jobs, the oldest first."""
        return [_decode_job(body) for (body,) in self._data.execute("SELECT body FROM job ORDER BY created, id")]

    def items_of(self, ended: set[str]) -> Iterator[Item]:
        """Yield the items, without those of these jobs, by job and date."""
        for body, status, kind, reason in self._data.execute(_ITEMS):
            item = _decode(body)
            if item.job not in ended:
                yield item if status is None else with_status(item, status, kind, reason)

    def unread(self) -> Iterator[tuple[str, str, int]]:
        """Yield job, status and number of the job items of which no export item came."""
        yield from self._data.execute(_UNREAD)

    def ended(self) -> set[str]:
        """Return the ids of the jobs that have ended."""
        return {job.id for job in self.jobs() if has_ended(job)}

    def close(self) -> None:
        """Throw everything away."""
        self._data.close()

    def _moment(self, at: str) -> str:
        moment = parse_moment(at) if at else None
        text = moment.astimezone(UTC).isoformat(timespec="microseconds") if moment else ""
        self._newest = max(self._newest, text)
        return text


_encode = msgspec.msgpack.Encoder(decimal_format="string").encode
_decode = msgspec.msgpack.Decoder(Item).decode
_decode_job = msgspec.msgpack.Decoder(Job).decode
