"""A sample of the items that Pleo's OpenAPI document allows, loaded exactly into PostgreSQL."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox import Sandbox
from tap_pleo_export.api.jobs import ENDED_STATUSES
from tests.helpers import document
from tests.helpers.decoding import kept, streams
from tests.helpers.document import encode, stored
from tests.helpers.raw_pages import ITEMS, serve
from tools.pipes import Pipes, tap_settings
from tools.postgres import Postgres

JOBS = "/v3/export-jobs"
ITEMS_A_JOB = 25
STREAMS = streams()
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def rows() -> Rows:
    """Rows of each stream; another sample with `SAMPLE=2 make test`, which a failure shows."""
    number = int(os.environ.get("SAMPLE", "1"))
    sys.stdout.write(f"SAMPLE={number}\n")
    jobs = list(distinct(document.sample(document.row("ExportJobV3"), 8, number), "id"))
    items = list(distinct(document.sample(document.row("ExportItemV3"), 100, number), "accountingEntryId"))
    statuses = document.sample(document.row("ExportJobItemV3"), len(items), number)
    for job in jobs:
        if job["status"] in ENDED_STATUSES:
            job["status"] = "in_progress"
        job["numberOfItems"] = ITEMS_A_JOB
    control = []
    for place, item in enumerate(items):
        ids = {"exportJobId": jobs[place // ITEMS_A_JOB]["id"], "accountingEntryId": item["accountingEntryId"]}
        control.append(statuses[place] | ids)
    return {"export_jobs": jobs, "export_job_items": control, "export_items": items}


def distinct(values: Iterable[dict[str, Any]], key: str) -> Iterator[dict[str, Any]]:
    seen = set()
    for value in values:
        if value[key].lower() not in seen:
            seen.add(value[key].lower())
            yield value


def serve_all(pleo: Sandbox, rows: Rows) -> None:
    """Serve the jobs, each with its share of the items."""
    serve(pleo, JOBS, [encode(job) for job in rows["export_jobs"]])
    for number, job in enumerate(rows["export_jobs"]):
        share = slice(number * ITEMS_A_JOB, (number + 1) * ITEMS_A_JOB)
        serve(pleo, f"{JOBS}/{job['id']}/items", [encode(row) for row in rows["export_job_items"][share]])
        serve(pleo, ITEMS, [encode(item) for item in rows["export_items"][share]], job_id=job["id"])


def table(connection: psycopg.Connection[Any], name: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return a table's rows by key, numbers as Decimal, with the tap's columns, without `expiresAt`."""
    rows = []
    for (text,) in connection.execute(f'SELECT row_to_json(t)::text FROM "{name}" t'):  # noqa: S608 - names of ours
        row = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        assert name != "export_items" or row["validationStatus"] in {"passed", "failed"}
        rows.append((key_of(name, row), {column: row[column] for column in columns(name)}))
    assert len(rows) == len(dict(rows))
    return dict(rows)


def wanted(name: str, rows: Rows) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the expected rows of a table, by key."""
    # An empty status becomes null.
    job_of = {
        row["accountingEntryId"]: (row["exportJobId"], stored(row["status"]) or None)
        for row in rows["export_job_items"]
    }
    found = {}
    for row in rows[name]:
        record = kept(STREAMS[name], row)
        if name == "export_items":
            record |= zip(("jobId", "itemStatus"), job_of[row["accountingEntryId"]], strict=True)
        found[key_of(name, record)] = dict.fromkeys(columns(name)) | record
    return found


def columns(name: str) -> list[str]:
    return [column for column in STREAMS[name].schema["properties"] if column != "expiresAt"]


def key_of(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(row[key] for key in STREAMS[name].primary_keys)


def test_sample_of_the_openapi_document_is_loaded_exactly(
    pleo: Sandbox, postgres: Postgres, database: str, tmp_path: Path, rows: Rows
) -> None:
    serve_all(pleo, rows)
    pipes = Pipes(tmp_path, tap_settings(pleo, item_statuses=[]), postgres.url(database))

    assert pipes.run() == {"tap": 0, "mapper": 0, "target": 0}, (tmp_path / "tap.log").read_text()[-3000:]

    with postgres.connect(database) as connection:
        loaded = {name: table(connection, name) for name in rows}
    assert loaded == {name: wanted(name, rows) for name in rows}
