"""Every export job that Pleo's OpenAPI document allows can be read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tap_pleo_export.api.jobs import ENDED_STATUSES, WARNED_BEFORE_EXPIRY, ExportJob
from tap_pleo_export.singer.record_decoder import as_dict
from tap_pleo_export.tap.streams import with_expiry
from tests.helpers import document
from tests.helpers.decoding import decode, streams
from tests.helpers.document import stored

STREAM = streams()["export_jobs"]
NOW = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
PLAIN = {
    "id": "0b6f1a52-3c1d-4e5f-8a9b-000000000001",
    "companyId": "0b6f1a52-3c1d-4e5f-8a9b-0000000000c0",
    "status": "pending",
    "createdAt": "2026-03-01T11:00:00Z",
    "expiresIn": 3600,
    "isInteractive": True,
    "numberOfItems": 2,
    "vendorBasedBookkeeping": False,
}


def read(rows: Sequence[dict[str, Any]]) -> list[ExportJob]:
    return [ExportJob.from_row(record) for record in decode(STREAM, rows)]


def moment(text: str | None) -> datetime | None:
    """Return a time of RFC 3339 in UTC, None where Python's calendar has no such time."""
    try:
        return text and datetime.fromisoformat(text).astimezone(UTC)  # type: ignore[return-value] # None and "" are not times
    except OverflowError:
        return None


def expiry(row: dict[str, Any]) -> datetime | None:
    since = moment(row.get("lastUpdatedAt")) or moment(row["createdAt"])
    try:
        return since and since + timedelta(seconds=row["expiresIn"])
    except OverflowError:
        return None


@given(document.row("ExportJobV3"))
@example(PLAIN | {"createdAt": "0001-01-01T00:00:00+23:59"})
@example(PLAIN | {"lastUpdatedAt": "9999-12-31T23:59:59-00:01", "createdAt": "9999-12-31T23:59:59.999999999Z"})
@example(PLAIN | {"expiresIn": -(2**31), "lastUpdatedAt": "0068-01-01T00:00:00Z"})
@example(PLAIN | {"status": "", "lastUpdatedAt": None, "numberOfItems": 10**400})
def test_every_job_that_the_document_allows_is_read(row: dict[str, Any]) -> None:
    (job,) = read([row])

    assert job.id == row["id"]
    assert job.status == (stored(row["status"]) or None)
    assert job.readable == (row["status"] not in ENDED_STATUSES)
    assert job.created_at == moment(row["createdAt"])
    assert job.expires_at == expiry(row)
    assert job.minutes_left(NOW) in {None, *range(15)}
    record = as_dict(with_expiry(job))
    assert record["expiresAt"] == (job.expires_at and job.expires_at.isoformat().replace("+00:00", "Z"))


@given(document.row("ExportJobV3"), st.integers(-(10**6), 10**6))
def test_a_job_is_warned_of_in_its_last_quarter_of_an_hour(row: dict[str, Any], seconds_left: int) -> None:
    seconds = row["expiresIn"] % 10**6
    since = (NOW + timedelta(seconds=seconds_left - seconds)).isoformat()
    (job,) = read([row | {"lastUpdatedAt": since, "expiresIn": seconds}])

    near = seconds_left < WARNED_BEFORE_EXPIRY.total_seconds()
    assert job.minutes_left(NOW) == (max(0, seconds_left // 60) if near else None)


@given(st.lists(document.row("ExportJobV3"), max_size=4))
def test_jobs_of_any_times_have_an_order(rows: list[dict[str, Any]]) -> None:
    jobs = sorted(read(rows), key=lambda job: job.age_order)

    known = [job.created_at for job in jobs if job.created_at]
    assert known == sorted(known)
    assert [job.created_at for job in jobs][: len(known)] == known


@given(document.row("ExportJobV3"))
def test_numbers_of_items_of_any_size_are_read(row: dict[str, Any]) -> None:
    (job,) = read([row])

    assert job.number_of_items in {row["numberOfItems"], None}
    assert job.number_of_items is not None or not -(2**63) <= row["numberOfItems"] < 2**64
    assert bytes(job.record.numberOfItems) == str(row["numberOfItems"]).encode()
