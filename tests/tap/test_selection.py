"""Stream maps, flattening and deselection give the same records as the fast way, except for their changes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from sandbox import Sandbox
from tests.tap.conftest import RunTap


def discovered(run_tap: RunTap) -> dict[str, Any]:
    catalog: dict[str, Any] = json.loads(run_tap("--discover").stdout)
    return catalog


def metadata(catalog: dict[str, Any], stream: str, *breadcrumb: str) -> dict[str, Any]:
    (entry,) = [entry for entry in catalog["streams"] if entry["stream"] == stream]
    (found,) = [data["metadata"] for data in entry["metadata"] if data["breadcrumb"] == list(breadcrumb)]
    result: dict[str, Any] = found
    return result


def select_all(catalog: dict[str, Any]) -> dict[str, Any]:
    for entry in catalog["streams"]:
        for data in entry["metadata"]:
            data["metadata"]["selected"] = True
    return catalog


def test_the_sdks_way_writes_the_same_records(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=40)

    fast = run_tap()
    mapped = run_tap(stream_maps={name: {"__filter__": "True"} for name in ("export_items", "export_job_items")})

    for stream in ("export_jobs", "export_job_items", "export_items"):
        assert mapped.records(stream) == fast.records(stream)
    assert [m["type"] for m in mapped.messages] == [m["type"] for m in fast.messages]
    assert mapped.state == fast.state


def test_deselected_members_are_absent_from_schema_and_records(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=5)
    catalog = select_all(discovered(run_tap))
    metadata(catalog, "export_items", "properties", "files")["selected"] = False
    metadata(catalog, "export_items", "properties", "supplier", "properties", "name")["selected"] = False

    run = run_tap(catalog=catalog)

    (schema,) = [m["schema"] for m in run.messages if m["type"] == "SCHEMA" and m["stream"] == "export_items"]
    assert "files" not in schema["properties"]
    plain = copy.deepcopy(run_tap().records())
    for record in plain:
        record.pop("files", None)
        if record.get("supplier"):
            record["supplier"].pop("name", None)
    assert run.records() == plain


def test_a_deselected_stream_is_neither_written_nor_asked_for(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=5)
    catalog = select_all(discovered(run_tap))
    metadata(catalog, "export_items")["selected"] = False

    run = run_tap(catalog=catalog)

    assert run.returncode == 0
    assert {m["stream"] for m in run.messages if "stream" in m} == {"export_jobs", "export_job_items"}
    assert not pleo.requests_to("/v3/export-items")


def test_export_items_alone_still_carry_their_status(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=5)
    catalog = select_all(discovered(run_tap))
    for stream in ("export_jobs", "export_job_items"):
        metadata(catalog, stream)["selected"] = False

    run = run_tap(catalog=catalog)

    assert [record["itemStatus"] for record in run.records()] == ["pending"] * 5
    assert run.bookmark(job.id)["complete"] is True


def test_flattening_and_aliases_work(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=2)

    flat = run_tap(flattening_enabled=True, flattening_max_depth=2)
    aliased = run_tap(stream_maps={"export_items": {"__alias__": "expenses"}})

    assert len(flat.records()) == 2
    assert all(
        "amount__inWalletCurrency__value" in json.dumps(record, default=str) or "amount__inWalletCurrency" in record
        for record in flat.records()
    )
    assert len(aliased.records("expenses")) == 2


def entries(**members: Any) -> dict[str, Any]:
    return {"streams": [{"tap_stream_id": "export_jobs", "schema": {}, "metadata": []} | members]}


NO_KEY = "no stream has a replication key"
BAD_METADATA = [{"breadcrumb": [], "metadata": {"replication-key": "id"}}]
BAD_CATALOGS: list[tuple[dict[str, Any], str]] = [
    ({}, "/streams: is missing"),
    ({"streams": None}, "/streams: expected a list"),
    ({"streams": [7]}, "/streams/0: expected a map"),
    ({"streams": [{}]}, "/streams/0/tap_stream_id: is missing"),
    (entries(schema=None), "/streams/0/schema: expected a map"),
    (entries(metadata=[{"metadata": {}}]), "/streams/0/metadata/0/breadcrumb: is missing"),
    (entries(replication_key="nope"), f"/streams/0/replication_key: {NO_KEY}"),
    (entries(metadata=BAD_METADATA), f"/streams/0/metadata/0/metadata/replication-key: {NO_KEY}"),
    (entries(replication_method="NOPE"), "/streams/0/replication_method: FULL_TABLE is the only replication method"),
]


@pytest.mark.parametrize(("catalog", "expected"), BAD_CATALOGS, ids=[expected for _, expected in BAD_CATALOGS])
def test_a_catalog_that_cannot_be_followed_is_one_line(
    pleo: Sandbox, run_tap: RunTap, catalog: dict[str, Any], expected: str
) -> None:
    run = run_tap(catalog=catalog)

    assert run.returncode == 1
    (error,) = (line for line in run.stderr.splitlines() if " INFO " not in line)
    assert error.startswith("Error: --catalog: ")
    assert expected in error
    assert run.stdout == b""
    assert pleo.requests == []


BAD_MAPS: list[tuple[dict[str, Any], str]] = [
    ({"stream_maps": {"export_items": {"x": "((("}}}, "Setting 'stream_maps': "),
    ({"stream_maps": {"export_items": {"__key_properties__": ["nope"]}}}, "Setting 'stream_maps': "),
    ({"flattening_enabled": True}, "flattening_max_depth"),
]


@pytest.mark.parametrize(("settings", "expected"), BAD_MAPS)
def test_a_setting_of_the_sdks_that_it_refuses_is_named(
    pleo: Sandbox, run_tap: RunTap, settings: dict[str, Any], expected: str
) -> None:
    run = run_tap(**settings)

    assert run.returncode == 1
    error, last = run.errors
    assert expected in error
    assert last == "Config validation failed"
    assert "Traceback" not in run.stderr
    assert pleo.requests == []


@pytest.mark.parametrize("expression", ["1/0", "nope", "fake.nope()"])
def test_an_expression_that_fails_on_a_record_is_the_users(pleo: Sandbox, run_tap: RunTap, expression: str) -> None:
    job = pleo.add_job(items=1)

    run = run_tap(stream_maps={"export_jobs": {"x": expression}})

    assert run.returncode == 1
    (error,) = run.errors
    assert error.startswith(f"export_jobs: id {job.id} cannot be mapped (")
    assert error.endswith("). Check the setting 'stream_maps'")
    assert "Traceback" not in run.stderr
