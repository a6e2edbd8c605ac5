"""Which export jobs can be read, in which order, and until when."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from tap_pleo_export.api.jobs import ENDED_STATUSES, READABLE_STATUSES, ExportJob, JobRow, format_time
from tap_pleo_export.text import parse_time

CREATED = "2026-03-01T12:00:00Z"
UPDATED = "2026-03-01T13:00:00Z"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def job(**members: Any) -> ExportJob:
    record = {"id": "j", "status": "pending", "createdAt": CREATED, "lastUpdatedAt": UPDATED, "expiresIn": UNSET}
    record |= dict.fromkeys(("numberOfItems", "startedAt", "failureReasonType"), UNSET) | members
    row: dict[str, Any] = {n: v if n in ("id", "status") else raw(v) for n, v in record.items()}
    return ExportJob.from_row(JobRow(**row))


def raw(value: Any) -> Any:
    return value if value is UNSET or isinstance(value, Raw) else Raw(msgspec.json.encode(value))


def expires_in(seconds: str, **members: Any) -> datetime | None:
    return job(expiresIn=Raw(seconds.encode()), **members).expires_at


def test_job_is_read_from_its_record() -> None:
    read = job(status="in_progress", expiresIn=Raw(b"60"), numberOfItems=7)

    assert read == ExportJob(
        id="j",
        status="in_progress",
        created_at=NOON,
        expires_at=NOON + HOUR + timedelta(minutes=1),
        number_of_items=7,
        record=read.record,
    )


@pytest.mark.parametrize(
    ("members", "started", "failure", "items"),
    [
        ({"numberOfItems": "7"}, False, None, None),
        ({"startedAt": None, "failureReasonType": None, "numberOfItems": None}, False, None, None),
        ({"startedAt": CREATED, "failureReasonType": "expired", "numberOfItems": 7}, True, "expired", 7),
        ({"startedAt": 7, "failureReasonType": ["expired"], "numberOfItems": 7.5}, True, None, None),
        ({"failureReasonType": 7}, False, None, None),
    ],
)
def test_start_failure_and_number_of_items_are_read(
    members: dict[str, Any], started: bool, failure: str | None, items: int | None
) -> None:
    read = job(**members)

    assert (read.started, read.failure, read.number_of_items) == (started, failure, items)


@pytest.mark.parametrize("absent", [None, UNSET, ""])
def test_absent_members_are_unknown(absent: Any) -> None:
    unknown = job(status=absent, createdAt=absent, lastUpdatedAt=absent, expiresIn=Raw(b"60"))

    assert (unknown.status, unknown.created_at, unknown.expires_at) == (None, None, None)
    assert unknown.readable


def test_expiry_counts_from_the_last_update_or_the_creation() -> None:
    assert expires_in("1800") == NOON + 1.5 * HOUR
    assert expires_in("1.5") == NOON + HOUR + timedelta(seconds=1.5)
    assert expires_in("0") == NOON + HOUR
    assert expires_in("-60") == NOON + HOUR - timedelta(minutes=1)
    assert expires_in("60", lastUpdatedAt=None) == NOON + timedelta(minutes=1)
    assert expires_in("60", lastUpdatedAt="soon") == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("seconds", ["null", '"60"', "[]", "true", "1e400", "1e300", "1e13", "1e12", "-1e12"])
def test_unreadable_expiry_is_unknown(seconds: str) -> None:
    assert expires_in(seconds) is None


def test_expiry_beyond_the_calendar_is_unknown() -> None:
    for moment in ("0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"):
        assert expires_in("0", createdAt=None, lastUpdatedAt=moment) is None
        assert expires_in("60", lastUpdatedAt=moment) == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("status", [*READABLE_STATUSES, *ENDED_STATUSES, "status of tomorrow", None])
def test_job_is_readable_unless_it_has_ended(status: str | None) -> None:
    assert job(status=status).readable == (status not in ENDED_STATUSES)


def test_oldest_job_comes_first_and_unknown_age_last() -> None:
    jobs = [
        job(id="3", createdAt=None),
        job(id="1", createdAt="2026-03-01T12:00:01"),
        job(id="2", createdAt="2026-03-01T13:00:00+01:00"),
        job(id="0"),
        job(id="2.5", createdAt="9999-01-01T00:00:00Z"),
    ]

    assert [one.id for one in sorted(jobs, key=lambda job: job.age_order)] == ["0", "2", "1", "2.5", "3"]


@pytest.mark.parametrize(
    ("seconds_left", "minutes"),
    [(900, None), (899.9, 14), (120, 2), (119.9, 1), (60, 1), (59.9, 0), (0, 0), (-0.1, 0), (-61, 0)],
)
def test_minutes_left_are_known_in_the_last_quarter_of_an_hour(seconds_left: float, minutes: int | None) -> None:
    one = job(expiresIn=Raw(b"0"))

    assert one.minutes_left(NOON + HOUR - timedelta(seconds=seconds_left)) == minutes
    assert job().minutes_left(NOON) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CREATED, NOON),
        ("2026-03-01T12:00:00", NOON),
        ("2026-03-01", NOON - 12 * HOUR),
        ("2026-03-01T14:00:00+02:00", NOON),
        ("2026-03-01T12:00:00.123456789Z", NOON + timedelta(microseconds=123456)),
        *((odd, None) for odd in ("soon", "", None, UNSET, 20260301)),
    ],
)
def test_times_are_read(text: object, expected: datetime | None) -> None:
    time_read = parse_time(text)

    assert time_read == expected
    assert time_read is None or time_read.tzinfo is UTC


@pytest.mark.parametrize("zone", ["JST-9", "EST5"])
def test_local_time_zone_changes_nothing(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as here:
        here.setenv("TZ", zone)
        time.tzset()
        expires_at = expires_in("60", lastUpdatedAt="2026-03-01T13:00:00")
        written = expires_at and (expires_at.tzinfo, format_time(expires_at))
        local = format_time(NOON.astimezone(timezone(HOUR)))
    time.tzset()

    assert (written, local) == ((UTC, "2026-03-01T13:01:00Z"), CREATED)


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001 - the zone is drawn
    st.integers(-23, 23),
)
def test_formatted_times_are_equal_and_in_utc(moment: datetime, offset: int) -> None:
    local = moment.replace(tzinfo=timezone(offset * HOUR))

    text = format_time(local)

    assert text.endswith("Z")
    assert "+" not in text
    assert parse_time(text) == local
    assert format_time(NOON) == CREATED
