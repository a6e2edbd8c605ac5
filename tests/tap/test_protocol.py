"""Not covered by the SDK's own tests: keys, order of messages, valid records, no message that deletes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from sandbox import Sandbox
from tests.conftest import Outputs, Run, finish
from tests.tap.conftest import RunTap, StartTap


@pytest.fixture
def pleo(outputs: Outputs) -> Iterator[Sandbox]:
    """The demo world: every type, every oddity."""
    with Sandbox.demo() as sandbox:
        outputs.secrets |= {sandbox.api_key}
        yield sandbox


@pytest.fixture
def run(start_tap: StartTap, outputs: Outputs) -> Run:
    statuses = ["pending", "in_progress", "failed", "completed", "completed_with_errors"]
    return finish(start_tap(job_statuses=statuses, item_statuses=[], page_size=20), outputs)


def test_the_whole_world_arrives(run: Run, pleo: Sandbox) -> None:
    readable = {id_: job for id_, job in pleo.jobs.items() if job.record["status"] in {"pending", "in_progress"}}
    assert run.returncode == 0
    assert len(readable) >= 3
    assert {r["id"] for r in run.records("export_jobs")} == set(pleo.jobs)
    assert {(r["exportJobId"], r["accountingEntryId"].lower()) for r in run.records("export_job_items")} == {
        (id_, item["accountingEntryId"].lower()) for id_, job in pleo.jobs.items() for item in job.items
    }
    assert {(r["jobId"], r["accountingEntryId"]) for r in run.records()} == {
        (id_, item["accountingEntryId"]) for id_, job in readable.items() for item in job.items
    }


def test_keys_are_unique_and_present(run: Run) -> None:
    for message in run.messages:
        if message["type"] == "SCHEMA":
            names = message["key_properties"]
            found = [tuple(record[name].lower() for name in names) for record in run.records(message["stream"])]
            assert found
            assert len(set(found)) == len(found)


def test_a_schema_precedes_its_records_and_every_record_satisfies_it(run: Run) -> None:
    validators: dict[str, Draft7Validator] = {}
    for message in run.messages:
        if message["type"] == "SCHEMA":
            assert message["stream"] not in validators
            Draft7Validator.check_schema(message["schema"])
            validators[message["stream"]] = Draft7Validator(message["schema"])
        elif message["type"] == "RECORD":
            validators[message["stream"]].validate(message["record"])
    assert len(validators) == 3


def test_records_state_their_extraction_time(run: Run) -> None:
    assert all(m["time_extracted"].endswith("+00:00") for m in run.messages if m["type"] == "RECORD")


@pytest.mark.parametrize("settings", [{}, {"emit_activate_version_messages": True}, {"batch_config": {}}])
def test_no_message_ever_deletes_rows_or_leaves_the_pipe(run_tap: RunTap, settings: dict[str, Any]) -> None:
    run = run_tap(**settings)

    assert run.returncode == 0
    assert {message["type"] for message in run.messages} == {"SCHEMA", "RECORD", "STATE"}
