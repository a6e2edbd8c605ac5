"""Dagster's records: the runs of an export job, and webhook deliveries."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterRunStatus

from dagster_pleo_export.discovery_state import DiscoveryState
from dagster_pleo_export.limits import PARTITION_TAG
from dagster_pleo_export.run_planning import ATTEMPT_TAG, RunHistory, job_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from dagster._core.scheduler.instigation import InstigatorState

    from tap_pleo_export.api.jobs import ExportJob

DISCOVERY = "discovery"
# A separate asset, so that deliveries are visible in Dagster's UI.
WEBHOOKS = dg.AssetKey("webhook_deliveries")
ACTIVE = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
MAX_RECORDS = 1000
# Dagster's tag, which a run lacks that failed because nothing runs it.
REASON_TAG = "dagster/failure_reason"
NEVER_STARTED = "START_TIMEOUT"
# So many lost runs of a job do not count as attempts; more of them mean that the job itself kills its worker.
MAX_LOST = 5
LOST_SECONDS = 600
# Metadata of deliveries: the last delivery of each company.
NAMED = "companies"
# The dynamic partitions.
COMPANIES = "companies"
INTERRUPTED = "ExecutionInterrupted"
STOPPED = "The worker was stopped, with Dagster or by hand; the next run continues from the company's state"
UNSTARTED = "Nothing started the run in time: look whether the code server, the broker and the workers are up"
VANISHED = "The worker vanished; the load is started again, and continues from the company's state"


def of_jobs(instance: dg.DagsterInstance, jobs: Iterable[ExportJob], *, busy: bool) -> dict[str, RunHistory]:
    """Return the runs of each job so far.

    Args:
        instance: Dagster's.
        jobs: Jobs of one company.
        busy: Whether the company has an active run.
    """
    return {job.id: _of_job(instance, job, busy=busy) for job in jobs}


def _of_job(instance: dg.DagsterInstance, job: ExportJob, *, busy: bool) -> RunHistory:
    name, value = job_tag(job)
    records = instance.get_run_records(dg.RunsFilter(tags={name: value}), limit=MAX_RECORDS)
    lost = [record for record in records if is_lost(record.dagster_run)]
    # Dagster lists the newest first.
    started = [record for record in reversed(lost) if record.start_time]
    counted = [record for record in records if not is_lost(record.dagster_run)] + started[MAX_LOST:]
    attempts = max((int(record.dagster_run.tags.get(ATTEMPT_TAG, "1")) for record in counted), default=0)
    statuses = {record.dagster_run.status for record in records}
    if DagsterRunStatus.SUCCESS in statuses:
        return RunHistory("done", attempts)
    if busy or statuses & set(ACTIVE):
        return RunHistory("busy", attempts)
    ended = max((record.end_time or record.create_timestamp.timestamp() for record in counted), default=0.0)
    return RunHistory("failed" if counted else "new", attempts, ended, len(lost))


def is_lost(run: dg.DagsterRun) -> bool:
    """Return whether a run failed because it never started, or its process is gone."""
    return run.status is DagsterRunStatus.FAILURE and run.tags.get(REASON_TAG, NEVER_STARTED) == NEVER_STARTED


def lost_runs(instance: dg.DagsterInstance, now: datetime) -> dict[str, str]:
    """Return the lost runs of the last minutes: the company by run id."""
    since = now - timedelta(seconds=LOST_SECONDS)
    failed = dg.RunsFilter(statuses=[DagsterRunStatus.FAILURE], updated_after=since)
    records = instance.get_run_records(failed, limit=MAX_RECORDS)
    runs = [record.dagster_run for record in records if is_lost(record.dagster_run)]
    return {run.run_id: run.tags[PARTITION_TAG] for run in runs if PARTITION_TAG in run.tags}


def busy_companies(instance: dg.DagsterInstance) -> set[str]:
    """Return the companies with a queued or running run."""
    runs = instance.get_runs(dg.RunsFilter(statuses=ACTIVE))
    return {partition for run in runs if (partition := run.tags.get(PARTITION_TAG))}


def asked_companies(instance: dg.DagsterInstance) -> set[str]:
    """Return the companies that discovery has asked about."""
    return set(instance.get_dynamic_partitions(COMPANIES))


def failure_reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return why a run failed."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        data = entry.dagster_event.event_specific_data if entry.dagster_event else None
        error = getattr(data, "error", None)
        failure = getattr(data, "user_failure_data", None)
        if failure and failure.description:
            return str(failure.description).rstrip(".")
        if error and INTERRUPTED in (error.cls_name or ""):
            return STOPPED
        if error:
            return f"{(error.cause or error).message}".strip().rstrip(".")
    run = instance.get_run_by_id(run_id)
    return UNSTARTED if run and run.tags.get(REASON_TAG) == NEVER_STARTED else VANISHED


def discovery_state(instance: dg.DagsterInstance) -> DiscoveryState:
    """Return the state that the sensor stored last."""
    stored = _stored_discovery(instance)
    return DiscoveryState.from_cursor(getattr(stored.instigator_data, "cursor", None)) if stored else DiscoveryState()


def discovery_problem(instance: dg.DagsterInstance) -> str | None:
    """Return why the sensor polls no company: it is switched off, or its last evaluation failed."""
    stored = _stored_discovery(instance)
    if stored is None:
        return None
    if not stored.is_running:
        return "The sensor discovery is switched off, so no company is polled: switch it on in Dagster's UI"
    for tick in instance.get_ticks(stored.instigator_origin_id, stored.selector_id, limit=1):
        if tick.error:
            return f"The last evaluation of the sensor discovery failed: {(tick.error.cause or tick.error).message}"
    return None


def _stored_discovery(instance: dg.DagsterInstance) -> InstigatorState | None:
    return next((state for state in instance.all_instigator_state() if state.name == DISCOVERY), None)


def record_deliveries(instance: dg.DagsterInstance, named: Mapping[str, str], count: int) -> None:
    """Record webhook deliveries: the last one of each company, and how many there were."""
    metadata = {NAMED: dg.MetadataValue.json(dict(named)), "deliveries": count}
    instance.report_runless_asset_event(dg.AssetObservation(asset_key=WEBHOOKS, metadata=metadata))


def deliveries(instance: dg.DagsterInstance, after: int) -> tuple[list[str], int]:
    """Return the companies named by webhooks after a record of deliveries, and the number of the last record."""
    records_filter = dg.AssetRecordsFilter(asset_key=WEBHOOKS, after_storage_id=after)
    found = instance.fetch_observations(records_filter, limit=MAX_RECORDS, ascending=True).records
    observed = [record.asset_observation for record in found]
    named = [one.metadata[NAMED].value for one in observed if one and NAMED in one.metadata]
    companies = dict.fromkeys(name for names in named if isinstance(names, dict) for name in names)
    return list(companies), max((record.storage_id for record in found), default=after)
