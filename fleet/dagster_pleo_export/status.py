"""The fleet as a table, from Dagster's records of each company."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_pleo_export import run_history, run_planning
from dagster_pleo_export.assets import LOAD
from dagster_pleo_export.limits import PARTITION_TAG
from tap_pleo_export.singer.redaction import SECRETS

if TYPE_CHECKING:
    from dagster_pleo_export.companies import Fleet
    from dagster_pleo_export.discovery_state import DiscoveryState

COLUMNS = ("company", "state", "runs", "items", "failed", "pages", "seconds", "minutes left", "retry in", "why")
# Dagster's daemons that the fleet needs: one polls Pleo, one starts queued runs.
DAEMONS = ("SENSOR", "QUEUED_RUN_COORDINATOR")
# They report every 30 s.
HEARTBEAT_SECONDS = 120


def problems(instance: dg.DagsterInstance, now: float) -> list[str]:
    """Return why the rows may be old, one line each: a daemon that is down, discovery that is off or fails."""
    found = []
    beats = instance.get_daemon_heartbeats()
    seen = [beats[name].timestamp if name in beats else 0.0 for name in DAEMONS]
    if not min(seen):
        found.append("Dagster's daemon has not run yet: start dagster-daemon")
    elif now - min(seen) > HEARTBEAT_SECONDS:
        minutes = int((now - min(seen)) // 60)
        found.append(f"Dagster's daemon has not reported for {minutes} minutes: start dagster-daemon")
    if why := run_history.discovery_problem(instance):
        found.append(SECRETS.one_line(why))
    return found


def rows(instance: dg.DagsterInstance, fleet: Fleet, state: DiscoveryState) -> list[dict[str, Any]]:
    """Return a row for each company, by the names in ``COLUMNS``; ``retry in`` is in minutes, 0: with the next poll."""
    asked = run_history.asked_companies(instance)
    found = {name: _row(instance, state, name, asked=name in asked) for name in fleet.companies}
    for name, problems in fleet.left_out.items():
        why = "; ".join(problems).removeprefix(f"Company '{name}': ")
        found[name] = dict.fromkeys(COLUMNS, "") | {"company": name, "state": "left out", "why": why}
    return [found[name] for name in sorted(found)]


def _row(instance: dg.DagsterInstance, state: DiscoveryState, name: str, *, asked: bool) -> dict[str, Any]:
    runs = instance.get_run_records(dg.RunsFilter(tags={PARTITION_TAG: name}))
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {"company": name, "runs": len(runs)}
    row["state"] = "idle" if asked else "not asked yet"
    if runs:
        newest = runs[0].dagster_run
        left = run_planning.minutes_left(newest.tags.get(run_planning.EXPIRES_TAG), datetime.now(UTC))
        row["state"] = newest.status.value.lower()
        row["minutes left"] = "" if left is None else left
        if newest.status is dg.DagsterRunStatus.FAILURE:
            why = run_history.failure_reason(instance, newest.run_id).removeprefix(f"{name}: ")
            row["why"] = SECRETS.one_line(why)
            row["retry in"] = _retry_in(state, name, runs[0])
        row["attempt"] = int(newest.tags.get(run_planning.ATTEMPT_TAG, "1"))
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=LOAD, asset_partitions=[name]), limit=run_history.MAX_RECORDS
    ).records
    for record in records:
        metadata = record.asset_materialization.metadata if record.asset_materialization else {}
        for column in ("items", "failed", "pages", "seconds"):
            if column in metadata:
                row[column] = round((row[column] or 0) + metadata[column].value, 1)
    if failing := state.failing.get(name):
        row |= {"state": "failing", "why": failing.why, "retry in": _minutes_to(failing.until)}
    return row


def _retry_in(state: DiscoveryState, name: str, record: dg.RunRecord) -> int | str:
    """Return the minutes until a failed run is retried at the earliest; empty if its jobs are not open any longer."""
    now = datetime.now(UTC).timestamp()
    tags = record.dagster_run.tags
    still_open = {job.job for job in state.open.get(name, ()) if job.expires is None or job.expires > now}
    if still_open.isdisjoint(run_planning.jobs_in(tags)):
        return ""
    attempt = int(tags.get(run_planning.ATTEMPT_TAG, "1"))
    wait = 0.0 if run_history.is_lost(record.dagster_run) else run_planning.wait_before(attempt + 1)
    return _minutes_to((record.end_time or now) + wait)


def _minutes_to(at: float) -> int:
    return max(0, math.ceil((at - datetime.now(UTC).timestamp()) / 60))
