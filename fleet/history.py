"""What Dagster remembers: the runs of an export job, and webhook deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterRunStatus

from fleet.due import ATTEMPT_TAG, Past, job_tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleet.discovery import Seen

# Beside its asset's, so that deliveries are seen in the UI.
WEBHOOKS = dg.AssetKey("webhook_deliveries")
AT_WORK = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
MOST = 1000


def past_of(instance: dg.DagsterInstance, jobs: Iterable[Seen], busy: bool) -> dict[str, Past]:  # noqa: FBT001
    """Return what became of each job's runs.

    Args:
        instance: Dagster's.
        jobs: Jobs of one company.
        busy: Whether a run of the company is at work.
    """
    return {job.id: _past(instance, job, busy=busy) for job in jobs}


def _past(instance: dg.DagsterInstance, job: Seen, *, busy: bool) -> Past:
    name, value = job_tag(job)
    records = instance.get_run_records(dg.RunsFilter(tags={name: value}), limit=MOST)
    attempts = [int(record.dagster_run.tags.get(ATTEMPT_TAG, "1")) for record in records]
    statuses = {record.dagster_run.status for record in records}
    if DagsterRunStatus.SUCCESS in statuses:
        return Past("done", max(attempts))
    if busy or statuses & set(AT_WORK):
        return Past("busy", max(attempts, default=0))
    ended = max((record.end_time or record.create_timestamp.timestamp() for record in records), default=0.0)
    return Past("failed" if records else "new", max(attempts, default=0), ended)


def at_work(instance: dg.DagsterInstance) -> set[str]:
    """Return the companies that have a run queued or at work."""
    runs = instance.get_runs(dg.RunsFilter(statuses=AT_WORK))
    return {partition for run in runs if (partition := run.tags.get("dagster/partition"))}


def deliveries(instance: dg.DagsterInstance, after: int) -> tuple[list[str], int]:
    """Return the companies that webhooks have named since a delivery, and the number of the last one."""
    records_filter = dg.AssetRecordsFilter(asset_key=WEBHOOKS, after_storage_id=after)
    found = instance.fetch_observations(records_filter, limit=MOST, ascending=True).records
    companies = [name for record in found if (name := record.partition_key)]
    return companies, max((record.storage_id for record in found), default=after)


def deliver(instance: dg.DagsterInstance, company: str, delivery: str) -> None:
    """Note that a webhook named a company."""
    event = dg.AssetObservation(asset_key=WEBHOOKS, partition=company, metadata={"delivery": delivery})
    instance.report_runless_asset_event(event)
