"""The three stream schemas: the source of a warehouse's tables."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, ValidationError

from tests.helpers.document import DOCUMENT

SCHEMAS = Path(__file__).parents[1] / "schemas"

KEYS = {
    "export_jobs": ["id"],
    "export_job_items": ["exportJobId", "accountingEntryId"],
    "export_items": ["jobId", "accountingEntryId"],
}

# The stream's schema in Pleo's OpenAPI document, and the members that the tap adds.
SOURCES = {
    "export_jobs": ("ExportJobV3", ["additionalFields", "expiresAt"]),
    "export_job_items": ("ExportJobItemV3", ["additionalFields"]),
    "export_items": ("ExportItemV3", ["additionalFields", "itemStatus", "jobId"]),
}
# Values that Pleo documents or may well send and that a strict schema would refuse.
LENIENT: list[tuple[str, list[str | int], Any]] = [
    ("export_jobs", ["status"], "paused"),
    ("export_jobs", ["failureReasonType"], "solar_flare"),
    ("export_jobs", ["failureReasonType"], None),
    ("export_jobs", ["lastUpdatedAt"], None),
    ("export_jobs", ["expiresAt"], None),
    ("export_job_items", ["failureReasonType"], None),
    ("export_job_items", ["status"], "postponed"),
    ("export_items", ["itemStatus"], None),
    ("export_items", ["type"], "barter"),
    ("export_items", ["subType"], "interest"),
    ("export_items", ["accountingEntryLines"], None),
    ("export_items", ["accountingEntryLines", 0, "tax", "ingoingTaxAccount"], None),
    ("export_items", ["accountingEntryLines", 0, "account"], None),
    ("export_items", ["accountingEntryLines", 0, "tags", 0], None),
    ("export_items", ["additionalInformation", "attendees", 0], None),
    ("export_items", ["files", 0], None),
    ("export_items", ["additionalInformation", "invoiceInformation", "invoiceDate"], "2026-02-01T00:00:00Z"),
    ("export_items", ["additionalInformation", "invoiceInformation", "dueDate"], "2026-02-01"),
    ("export_items", ["amount", "inWalletCurrency", "currency"], "XYZ"),
    ("export_items", ["amount", "inWalletCurrency", "value"], -5),
    ("export_items", ["supplier", "country"], "UNDEFINED"),
    ("export_items", ["amount", "inWalletCurrency", "rounding"], "up"),
    ("export_items", ["additionalFields"], None),
]
# Values that no table accepts: the types that a loader derives its columns from.
REFUSED: list[tuple[str, list[str | int], Any]] = [
    ("export_jobs", ["id"], None),
    ("export_jobs", ["numberOfItems"], "2"),
    ("export_jobs", ["expiresIn"], Decimal("0.5")),
    ("export_job_items", ["exportJobId"], None),
    ("export_job_items", ["accountingEntryId"], None),
    ("export_items", ["jobId"], None),
    ("export_items", ["accountingEntryId"], None),
    ("export_items", ["amount", "inWalletCurrency", "value"], "10.99"),
    ("export_items", ["accountingEntryLines", 0, "tax", "rate"], "25 %"),
    ("export_items", ["additionalFields"], "text"),
]


def load(stream: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{stream}.json").read_text(encoding="utf-8"))
    return schema


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every subschema below the record itself, with its path in MEMBERS' notation."""
    for name, child in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, child
        yield from nodes(child, here)
    if "items" in schema:
        yield f"{path}[]", schema["items"]
        yield from nodes(schema["items"], f"{path}[]")


def documented(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield the members of every object that a schema of Pleo's document describes, with its path as in `nodes`."""
    schema = DOCUMENT[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "items" in schema:
        yield from documented(schema["items"], f"{path}[]")
    if "properties" in schema:
        yield path, sorted(schema["properties"])
    for name, child in schema.get("properties", {}).items():
        yield from documented(child, f"{path}.{name}" if path else name)


def record_with(stream: str, path: list[str | int], value: object) -> dict[str, Any]:
    """Return a record that has its keys, and a value at a path."""
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    assert isinstance(value, dict)
    return dict.fromkeys(KEYS[stream], "0b6f1a52-3c1d-4e5f-8a9b-000000000001") | value


@pytest.fixture(params=KEYS)
def stream(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_is_a_valid_draft_7_schema(stream: str) -> None:
    schema = load(stream)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["type"] == "object"
    Draft7Validator.check_schema(schema)


def test_keys_are_required_plain_strings_and_come_first(stream: str) -> None:
    schema = load(stream)
    keys = KEYS[stream]
    assert schema["required"] == keys
    assert list(schema["properties"])[: len(keys)] == keys
    assert [schema["properties"][key]["type"] for key in keys] == ["string"] * len(keys)


def test_everything_but_the_keys_is_nullable(stream: str) -> None:
    strict = {
        path
        for path, node in nodes(load(stream))
        if not (isinstance(node["type"], list) and len(node["type"]) == 2 and node["type"][1] == "null")
    }
    assert strict == set(KEYS[stream])


def test_no_keyword_restricts_values_from_pleo(stream: str) -> None:
    schema = load(stream)
    allowed = {"type", "description", "properties", "items", "additionalProperties"}
    assert {path: set(node) - allowed for path, node in nodes(schema) if not set(node) <= allowed} == {}
    assert set(schema) - allowed == {"$schema", "title", "required"}


def test_objects_let_unknown_members_through(stream: str) -> None:
    schema = load(stream)
    objects = {path: node for path, node in [("", schema), *nodes(schema)] if "object" in node["type"]}
    assert {path for path, node in objects.items() if node.get("additionalProperties") is not True} == set()


def test_everything_is_described(stream: str) -> None:
    schema = load(stream)
    for path, node in [("the stream", schema), *nodes(schema)]:
        assert node.get("description", "").endswith("."), path


def test_members_are_those_of_the_api_and_the_taps_own(stream: str) -> None:
    schema = load(stream)
    source, added = SOURCES[stream]
    found = {path: sorted(node["properties"]) for path, node in [("", schema), *nodes(schema)] if "properties" in node}
    expected = dict(documented(DOCUMENT[source]))
    assert found == expected | {"": sorted([*expected[""], *added])}


def test_numbers_state_their_unit(stream: str) -> None:
    units = {"integer": ("second", "bytes", "count"), "number": ("cents", "fraction")}
    for path, node in nodes(load(stream)):
        wanted = units.get(node["type"][0], ())
        assert not wanted or any(unit in node["description"] for unit in wanted), path


def test_money_and_rates_are_numbers_and_dates_are_strings() -> None:
    types = {path: node["type"] for name in KEYS for path, node in nodes(load(name))}
    numbers = {path for path, kind in types.items() if kind == ["number", "null"]}
    assert numbers == {path for path in types if path.endswith((".value", ".rate"))}
    dates = {path for path in types if path.endswith(("At", "Date", "date", "servicePeriod.from", ".to"))}
    assert len(dates) == 13
    assert all(types[path] == ["string", "null"] for path in dates)


@pytest.mark.parametrize(("name", "path", "value"), LENIENT)
def test_a_value_pleo_may_send_is_accepted(name: str, path: list[str | int], value: object) -> None:
    Draft7Validator(load(name)).validate(record_with(name, path, value))


@pytest.mark.parametrize(("name", "path", "value"), REFUSED)
def test_a_value_of_the_wrong_type_is_refused(name: str, path: list[str | int], value: object) -> None:
    with pytest.raises(ValidationError):
        Draft7Validator(load(name)).validate(record_with(name, path, value))
