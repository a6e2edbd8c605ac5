"""Export jobs: which can be read, in which order, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Raw

READABLE_STATUSES = ("pending", "in_progress")
ENDED_STATUSES = ("failed", "completed", "completed_with_errors")
JOB_STATUSES = (*READABLE_STATUSES, *ENDED_STATUSES)
# What is read of a job's record, with its type.
JOB_MEMBERS: dict[str, Any] = {
    "status": str | None,
    "createdAt": str | None,
    "lastUpdatedAt": str | None,
    "expiresIn": Raw,
}
WARNED_BEFORE_EXPIRY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class ExportJob:
    """One export job.

    Attributes:
        id: Pleo's id.
        status: Its status when it was listed (OpenAPI schema ``ExportJobStatus``, an open string).
        created_at: When the bookkeeper clicked Export; None if unknown.
        expires_at: When Pleo ends it unless it is acted upon; None if unknown.
        record: The record of the stream `export_jobs`.
    """

    id: str
    status: str | None
    created_at: datetime | None
    expires_at: datetime | None
    record: Any

    @classmethod
    def from_record(cls, record: Any) -> ExportJob:  # noqa: ANN401 - a record type made at run time
        """Read a job off its record."""
        created_at = parse_time(record.createdAt or None)
        since = parse_time(record.lastUpdatedAt or None) or created_at
        return cls(
            id=record.id,
            status=record.status or None,
            created_at=created_at,
            expires_at=since and _later(since, record.expiresIn),
            record=record,
        )

    @property
    def readable(self) -> bool:
        """Whether its export items can be read (``GET /v3/export-items`` answers 422 otherwise).

        A status not known yet is tried: skipping the job would lose its items without a word.
        """
        return self.status not in ENDED_STATUSES

    @property
    def age_order(self) -> tuple[datetime, str]:
        """Sort key: oldest first; without a known age last."""
        return self.created_at or datetime.max.replace(tzinfo=UTC), self.id

    def minutes_left(self, now: datetime) -> int | None:
        """Return the whole minutes to a near expiry, or None if it is not near."""
        if self.expires_at is None or self.expires_at - now >= WARNED_BEFORE_EXPIRY:
            return None
        return int((self.expires_at - now).total_seconds() // 60)


def parse_time(text: object) -> datetime | None:
    """Return an ISO 8601 time, in UTC where it names no zone and cut to microseconds; None if it is none."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def format_time(time: datetime) -> str:
    """Return a time in ISO 8601, UTC, with ``Z``."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _later(time: datetime, seconds: object) -> datetime | None:
    if not isinstance(seconds, Raw):
        return None
    try:
        return (time + timedelta(seconds=msgspec.json.decode(seconds, type=float))).astimezone(UTC)
    except (msgspec.MsgspecError, OverflowError):
        return None
