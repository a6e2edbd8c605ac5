"""The fleet as a table, from Dagster's records of each company."""

from __future__ import annotations

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

COLUMNS = ("company", "state", "runs", "items", "failed", "pages", "seconds", "minutes left", "why")


def rows(instance: dg.DagsterInstance, fleet: Fleet) -> list[dict[str, Any]]:
    """Return a row for each company, by the names in ``COLUMNS``."""
    state = run_history.discovery_state(instance)
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
        row |= {"state": "failing", "why": failing.why}
    return row
