"""Ids of export items: those that a job has, those that a run delivered."""

from __future__ import annotations

from sandbox import Job
from tests.conftest import Run


def ids(run: Run) -> list[str]:
    return [record["accountingEntryId"] for record in run.records()]


def all_ids(job: Job) -> list[str]:
    return [item["accountingEntryId"] for item in job.items]
