"""Which companies get a run: once per export job and attempt, the nearest to its expiry first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from fleet.discovery import by_expiry
from fleet.limits import CREDENTIAL_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fleet.discovery import Seen
    from fleet.fleet_file import Company

COMPANY_TAG = "pleo/company"
JOB_TAG = "pleo.job/"
ATTEMPT_TAG = "pleo/attempt"
EXPIRES_TAG = "pleo/expires"
FIRST_WAIT = 60.0
LONGEST_WAIT = 600.0
SOON = 10**6


@dataclass(frozen=True, slots=True)
class Past:
    """What became of the runs of a job.

    Attributes:
        state: ``busy`` while one is queued or at work, ``done`` once one has loaded it.
        attempts: How many attempts there were.
        ended: When the last one ended, seconds since the epoch.
    """

    state: Literal["new", "busy", "done", "failed"] = "new"
    attempts: int = 0
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run that is to be requested.

    Attributes:
        company: The company's name here.
        key: The same for the same jobs and attempt: Dagster starts one run for a key.
        tags: The run's tags; no secrets among them.
        expires_at: The nearest expiry of its jobs.
    """

    company: str
    key: str
    tags: dict[str, str]
    expires_at: datetime | None


def job_tag(job: Seen) -> tuple[str, str]:
    """Return the tag of a run that reads a job: a job that has grown is another one."""
    return JOB_TAG + job.id, "unknown" if job.items is None else str(job.items)


def uncovered(jobs: Iterable[Seen], past: Mapping[str, Past]) -> list[Seen]:
    """Return the jobs that have no complete load; ``past`` is by job id."""
    return [job for job in jobs if past.get(job.id, Past()).state != "done"]


def due(company: Company, jobs: Iterable[Seen], past: Mapping[str, Past], now: datetime) -> DueRun | None:
    """Return the run that a company needs now, or None.

    Args:
        company: The company.
        jobs: Its readable jobs.
        past: What became of their runs, by job id.
        now: The current time.
    """
    jobs = by_expiry(list(jobs))
    open_jobs = uncovered(jobs, past)
    if not open_jobs or any(past.get(job.id, Past()).state == "busy" for job in jobs):
        return None
    attempt = 1 + max(past.get(job.id, Past()).attempts for job in open_jobs)
    ended = max(past.get(job.id, Past()).ended for job in open_jobs)
    fresh = any(past.get(job.id, Past()).state == "new" for job in open_jobs)
    if not fresh and now.timestamp() < ended + wait_before(attempt):
        return None
    expires_at = open_jobs[0].expires_at
    tags = {
        COMPANY_TAG: company.id,
        CREDENTIAL_TAG: company.credential_name,
        ATTEMPT_TAG: str(attempt),
        **dict(map(job_tag, jobs)),
        "dagster/priority": str(_priority(expires_at, now)),
    }
    if expires_at:
        tags[EXPIRES_TAG] = expires_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    key = "|".join([company.id, *(":".join(job_tag(job)) for job in open_jobs), str(attempt)])
    return DueRun(company.id, key, tags, expires_at)


def wait_before(attempt: int) -> float:
    """Return the seconds between a failed attempt and this one."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(max(0, attempt - 2), 16))


def in_order(runs: Iterable[DueRun]) -> list[DueRun]:
    """Return runs, the nearest to its expiry first."""
    last = datetime.max.replace(tzinfo=UTC)
    return sorted(runs, key=lambda run: (run.expires_at or last, run.company))


def minutes_left(expires: str | None, now: datetime) -> int | None:
    """Return the whole minutes to the time of the tag ``pleo/expires``; None without one."""
    if not expires:
        return None
    at = datetime.strptime(expires, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return max(0, int((at - now).total_seconds() // 60))


def _priority(expires_at: datetime | None, now: datetime) -> int:
    """Return Dagster's priority, higher first: the fewer seconds are left, the higher."""
    return -SOON if expires_at is None else -min(SOON, int((expires_at - now).total_seconds()))
