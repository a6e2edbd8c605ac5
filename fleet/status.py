"""The fleet as a table: what Dagster knows of each company."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from fleet import due
from fleet.assets import LOAD
from fleet.due import ATTEMPT_TAG, EXPIRES_TAG
from fleet.rounds import Rounds

if TYPE_CHECKING:
    from fleet.companies import Fleet

COLUMNS = ("company", "state", "runs", "items", "failed", "pages", "seconds", "minutes left", "why")


def rows(instance: dg.DagsterInstance, fleet: Fleet) -> list[dict[str, Any]]:
    """Return a row for each company, by the names in ``COLUMNS``."""
    rounds = last_rounds(instance)
    return [_row(instance, rounds, name) for name in fleet.companies]


def last_rounds(instance: dg.DagsterInstance) -> Rounds:
    """Return where the sensor's discovery stands."""
    for state in instance.all_instigator_state():
        if state.name == "discovery":
            return Rounds.from_cursor(getattr(state.instigator_data, "cursor", None))
    return Rounds()


def _row(instance: dg.DagsterInstance, rounds: Rounds, name: str) -> dict[str, Any]:
    runs = instance.get_run_records(dg.RunsFilter(tags={"dagster/partition": name}))
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {"company": name, "state": "idle", "runs": len(runs)}
    if runs:
        newest = runs[0].dagster_run
        row["state"] = newest.status.value.lower()
        left = due.minutes_left(newest.tags.get(EXPIRES_TAG), datetime.now(UTC))
        row |= {"minutes left": "" if left is None else left, "attempt": int(newest.tags.get(ATTEMPT_TAG, "1"))}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=LOAD, asset_partitions=[name]), limit=1000
    ).records
    for record in records:
        metadata = record.asset_materialization.metadata if record.asset_materialization else {}
        for column in ("items", "failed", "pages", "seconds"):
            if column in metadata:
                row[column] = round((row[column] or 0) + metadata[column].value, 1)
    if failing := rounds.failing.get(name):
        row |= {"state": "failing", "why": failing.why}
    return row
