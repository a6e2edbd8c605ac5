"""What is told of a failed run: company, job, time left, why, and what happens next. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet import due
from fleet.due import ATTEMPT_TAG, EXPIRES_TAG, JOB_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime


def described(company: str, tags: Mapping[str, str], why: str, now: datetime) -> str:
    """Return one line.

    Args:
        company: The company's name here.
        tags: The run's tags.
        why: Why it failed.
        now: The current time.
    """
    jobs = ", ".join(jobs_of(tags)) or "unknown"
    left = due.minutes_left(tags.get(EXPIRES_TAG), now)
    time = "an unknown time left" if left is None else f"{left} minutes left"
    attempt = int(tags.get(ATTEMPT_TAG, "1"))
    minutes = int(due.wait_before(attempt + 1) // 60)
    return (
        f"Company {company}: attempt {attempt} to load export job {jobs} failed, {time}. {why}. The next attempt "
        f"comes by itself, {minutes} minutes later at the earliest; if the job expires before, export the entries "
        "again in Pleo"
    )


def jobs_of(tags: Iterable[str]) -> list[str]:
    """Return the export jobs that a run's tags name."""
    return sorted(tag.removeprefix(JOB_TAG) for tag in tags if tag.startswith(JOB_TAG))
