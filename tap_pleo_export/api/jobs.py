"""Export jobs: which can be read, in which order, and until when."""

# ruff: noqa: N815 - the members of `JobRow` have Pleo's names

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tap_pleo_export.text import minutes_until, parse_time

READABLE_STATUSES = ("pending", "in_progress")
ENDED_STATUSES = ("failed", "completed", "completed_with_errors")
JOB_STATUSES = (*READABLE_STATUSES, *ENDED_STATUSES)
# Of job items (OpenAPI schema `ExportJobItemStatus`, an open string).
ITEM_STATUSES = ("pending", "in_progress", "successful", "failed", "abandoned")
# `uuid.UUID` also accepts braces, `urn:` and other digits. Only a plain UUID may become part of a request's path.
PLAIN_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
WARNED_BEFORE_EXPIRY = timedelta(minutes=15)


class JobRow(msgspec.Struct):
    """The members of an export job that the connector reads (OpenAPI schema ``ExportJobV3``)."""

    id: str
    status: str | None = None
    createdAt: Raw | UnsetType = UNSET
    lastUpdatedAt: Raw | UnsetType = UNSET
    startedAt: Raw | UnsetType = UNSET
    expiresIn: Raw | UnsetType = UNSET
    numberOfItems: Raw | UnsetType = UNSET
    failureReasonType: Raw | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class ExportJob:
    """One export job.

    Attributes:
        id: Pleo's id.
        status: Its status when it was read (OpenAPI schema ``ExportJobStatus``, an open string).
        created_at: When the bookkeeper clicked Export; None if unknown.
        expires_at: When Pleo ends it unless it is acted upon; None if unknown.
        number_of_items: Number of its items according to Pleo; None if unknown.
        started: Whether it was ever started.
        failure: Its ``failureReasonType``; None if it has none.
        record: The row that it was read from.
    """

    id: str
    status: str | None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    number_of_items: int | None = None
    started: bool = False
    failure: str | None = None
    record: Any = None

    @classmethod
    def from_row(cls, row: Any) -> ExportJob:  # noqa: ANN401 - a `JobRow`, or a record type with its members
        """Read a job from a row with the members of :class:`JobRow`; members of another type count as absent."""
        created_at = parse_time(_value(row.createdAt))
        since = parse_time(_value(row.lastUpdatedAt)) or created_at
        number_of_items = _value(row.numberOfItems)
        failure = _value(row.failureReasonType)
        return cls(
            id=row.id,
            status=row.status or None,
            created_at=created_at,
            expires_at=since and _later(since, _value(row.expiresIn)),
            number_of_items=number_of_items if isinstance(number_of_items, int) else None,
            started=row.startedAt not in (UNSET, Raw(b"null")),
            failure=failure if isinstance(failure, str) else None,
            record=row,
        )

    @property
    def has_plain_id(self) -> bool:
        """Whether its id is a UUID as documented, so that it may become part of a path."""
        return PLAIN_UUID.fullmatch(self.id) is not None

    @property
    def readable(self) -> bool:
        """Whether its items can be read; an unknown status is tried, because skipping would silently lose items."""
        return self.status not in ENDED_STATUSES

    @property
    def age_order(self) -> tuple[datetime, str]:
        """Sort key: oldest first; without a known age last."""
        return self.created_at or datetime.max.replace(tzinfo=UTC), self.id

    def minutes_left(self, now: datetime) -> int | None:
        """Return the whole minutes to a near expiry, or None if it is not near."""
        if self.expires_at is None or self.expires_at - now >= WARNED_BEFORE_EXPIRY:
            return None
        return minutes_until(self.expires_at, now)


def format_time(time: datetime) -> str:
    """Return a time in ISO 8601, UTC, with ``Z``."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _later(time: datetime, seconds: object) -> datetime | None:
    """Return the time that many seconds later; None if it cannot be represented."""
    if not isinstance(seconds, int | float):
        return None
    try:
        return time + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def _value(raw: object) -> object:
    """Return a member's value; None if it is absent or not a number or text that Python can read."""
    if not isinstance(raw, Raw):
        return None
    try:
        return msgspec.json.decode(raw, type=int | float | str | None)
    except (msgspec.MsgspecError, ValueError):
        return None
