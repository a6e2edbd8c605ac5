"""Which companies get a run, once per export job and attempt, the nearest to its expiry first. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from dagster_pleo_export.limits import CREDENTIAL_TAG
from tap_pleo_export.text import minutes_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dagster_pleo_export.fleet_file import Company
    from tap_pleo_export.api.jobs import ExportJob

COMPANY_TAG = "pleo/company"
JOB_TAG = "pleo.job/"
ATTEMPT_TAG = "pleo/attempt"
EXPIRES_TAG = "pleo/expires"
TIME_FORMAT = "%Y%m%dT%H%M%SZ"
FIRST_WAIT = 60.0
MAX_WAIT = 600.0
# Dagster's priority is the seconds left, negated; without a known expiry, this many.
MAX_SECONDS_LEFT = 10**6
LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RunHistory:
    """The runs of a job so far.

    Attributes:
        state: ``busy`` while one is queued or running, ``done`` once one has loaded the job.
        attempts: The number of attempts.
        ended: When the last one ended, seconds since the epoch.
        lost: Runs that are no attempts, because they never started or their worker vanished.
    """

    state: Literal["new", "busy", "done", "failed"] = "new"
    attempts: int = 0
    ended: float = 0.0
    lost: int = 0


NO_RUNS = RunHistory()


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run to be requested.

    Attributes:
        company: The company's name in the fleet.
        key: The same for the same jobs and attempt: Dagster starts one run per key.
        tags: The run's tags, no secrets.
        expires_at: The nearest expiry of its jobs.
    """

    company: str
    key: str
    tags: dict[str, str]
    expires_at: datetime | None


def job_tag(job: ExportJob) -> tuple[str, str]:
    """Return the tag of a run that reads a job; a job that has grown gets another value."""
    return JOB_TAG + job.id, "unknown" if job.number_of_items is None else str(job.number_of_items)


def jobs_in(tags: Iterable[str]) -> list[str]:
    """Return the export jobs that a run's tags name."""
    return sorted(tag.removeprefix(JOB_TAG) for tag in tags if tag.startswith(JOB_TAG))


def unloaded(jobs: Iterable[ExportJob], history: Mapping[str, RunHistory]) -> list[ExportJob]:
    """Return the jobs without a complete load; ``history`` is by job id."""
    return [job for job in jobs if history.get(job.id, NO_RUNS).state != "done"]


def plan(
    company: Company, jobs: Iterable[ExportJob], history: Mapping[str, RunHistory], now: datetime
) -> PlannedRun | None:
    """Return the run that a company needs now, or None.

    Args:
        company: The company.
        jobs: Its readable jobs.
        history: Their runs so far, by job id.
        now: The current time.
    """
    jobs = sorted(jobs, key=lambda job: (job.expires_at or LAST, job.id))
    wanted = unloaded(jobs, history)
    if not wanted or any(history.get(job.id, NO_RUNS).state == "busy" for job in jobs):
        return None
    past = [history.get(job.id, NO_RUNS) for job in wanted]
    attempt = 1 + max(one.attempts for one in past)
    earliest = max(one.ended for one in past) + wait_before(attempt)
    if now.timestamp() < earliest and not any(one.state == "new" for one in past):
        return None
    expires_at = wanted[0].expires_at
    key = "|".join([company.id, *(":".join(job_tag(job)) for job in wanted), str(attempt)])
    if lost := sum(one.lost for one in past):
        key += f"|{lost}"
    return PlannedRun(company.id, key, _tags(company, jobs, attempt, expires_at, now), expires_at)


def wait_before(attempt: int) -> float:
    """Return the seconds between a failed attempt and this one."""
    return min(MAX_WAIT, FIRST_WAIT * 2.0 ** min(max(0, attempt - 2), 16))


def in_order(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Return runs, the nearest to its expiry first."""
    return sorted(runs, key=lambda run: (run.expires_at or LAST, run.company))


def minutes_left(expires: str | None, now: datetime) -> int | None:
    """Return the whole minutes to the time of the tag ``pleo/expires``; None without one."""
    if not expires:
        return None
    return minutes_until(datetime.strptime(expires, TIME_FORMAT).replace(tzinfo=UTC), now)


def failure_message(company: str, tags: Mapping[str, str], why: str, now: datetime, *, lost: bool = False) -> str:
    """Describe a failed run in one line: company, job, time left, reason, next attempt.

    Args:
        company: The company's name in the fleet.
        tags: The run's tags.
        why: Why it failed.
        now: The current time.
        lost: Whether it was lost with its worker, which does not count as an attempt.
    """
    jobs = ", ".join(jobs_in(tags)) or "unknown"
    left = minutes_left(tags.get(EXPIRES_TAG), now)
    time_left = "expiry unknown" if left is None else f"{left} minutes left"
    attempt = int(tags.get(ATTEMPT_TAG, "1"))
    retried = "at once" if lost else f"in {int(wait_before(attempt + 1) // 60)} min at the earliest"
    return (
        f"Company {company}: attempt {attempt} to load export job {jobs} failed, {time_left}. {why}. It is retried "
        f"automatically, {retried}; if the job expires first, export the entries again in Pleo"
    )


def _tags(
    company: Company, jobs: Iterable[ExportJob], attempt: int, expires_at: datetime | None, now: datetime
) -> dict[str, str]:
    seconds = int((expires_at - now).total_seconds()) if expires_at else MAX_SECONDS_LEFT
    tags = {
        COMPANY_TAG: company.id,
        CREDENTIAL_TAG: company.credential_name,
        ATTEMPT_TAG: str(attempt),
        **dict(map(job_tag, jobs)),
        "dagster/priority": str(-min(MAX_SECONDS_LEFT, seconds)),
    }
    if expires_at:
        tags[EXPIRES_TAG] = expires_at.astimezone(UTC).strftime(TIME_FORMAT)
    return tags
