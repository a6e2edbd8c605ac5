"""Export jobs: which can be read, in which order, and until when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Raw

READABLE_STATUSES = ("pending", "in_progress")
ENDED_STATUSES = ("failed", "completed", "completed_with_errors")
JOB_STATUSES = (*READABLE_STATUSES, *ENDED_STATUSES)
# Of job items (OpenAPI schema `ExportJobItemStatus`, an open string).
ITEM_STATUSES = ("pending", "in_progress", "successful", "failed", "abandoned")
# What is read of a job's record, with its type.
JOB_MEMBERS: dict[str, Any] = {
    "status": str | None,
    "createdAt": Raw,
    "lastUpdatedAt": Raw,
    "expiresIn": Raw,
    "numberOfItems": Raw,
}
# `uuid.UUID` reads much that is none: braces, `urn:`, other digits. Only this may stand in the path of a request.
PLAIN_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
WARNED_BEFORE_EXPIRY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class ExportJob:
    """One export job.

    Attributes:
        id: Pleo's id.
        status: Its status when it was listed (OpenAPI schema ``ExportJobStatus``, an open string).
        created_at: When the bookkeeper clicked Export; None if unknown.
        expires_at: When Pleo ends it unless it is acted upon; None if unknown.
        number_of_items: How many items Pleo says that it has; None if unknown.
        record: The record of the stream `export_jobs`.
    """

    id: str
    status: str | None
    created_at: datetime | None
    expires_at: datetime | None
    number_of_items: int | None
    record: Any

    @classmethod
    def from_record(cls, record: Any) -> ExportJob:  # noqa: ANN401 - a record type made at run time
        """Read a job off its record."""
        created_at = parse_time(_value(record.createdAt))
        since = parse_time(_value(record.lastUpdatedAt)) or created_at
        number_of_items = _value(record.numberOfItems)
        return cls(
            id=record.id,
            status=record.status or None,
            created_at=created_at,
            expires_at=since and _later(since, _value(record.expiresIn)),
            number_of_items=number_of_items if isinstance(number_of_items, int) else None,
            record=record,
        )

    @property
    def has_plain_id(self) -> bool:
        """Whether its id is a UUID as Pleo documents it, so that it may stand in the path of a request."""
        return PLAIN_UUID.fullmatch(self.id) is not None

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
        return max(0, int((self.expires_at - now).total_seconds() // 60))


def parse_time(text: object) -> datetime | None:
    """Return an ISO 8601 time in UTC, its zone if it names none, cut to microseconds; None if it is no time."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def format_time(time: datetime) -> str:
    """Return a time in ISO 8601, UTC, with ``Z``."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _later(time: datetime, seconds: object) -> datetime | None:
    """Return the time so many seconds later; None where that makes no sense."""
    if not isinstance(seconds, int | float):
        return None
    try:
        return time + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def _value(raw: object) -> object:
    """Return what a member of Pleo's says; None if it is absent, or no number or text that Python can read."""
    if not isinstance(raw, Raw):
        return None
    try:
        return msgspec.json.decode(raw, type=int | float | str | None)
    except (msgspec.MsgspecError, ValueError):
        return None
