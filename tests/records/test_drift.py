"""What Pleo sends beyond the declared schema is named once."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from tap_pleo_export.records.drift import DriftWatch
from tap_pleo_export.records.shape import RecordShape, as_dict

SCHEMA: dict[str, Any] = {
    "properties": {
        "id": {},
        "amount": {"properties": {"value": {}, "currency": {}}},
        "lines": {"items": {"properties": {"tags": {"items": {"properties": {"code": {}}}}}}},
        "anything": {"type": "object"},
        "added": {},
        "additionalFields": {},
    }
}


@pytest.fixture
def shape(caplog: pytest.LogCaptureFixture) -> RecordShape:
    caplog.set_level(logging.WARNING)
    drift = DriftWatch("things", SCHEMA, logging.getLogger("drift"))
    return RecordShape(SCHEMA, keys=("id",), computed=("added",), drift=drift)


def page(*rows: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"data": rows, "pagination": {"hasNextPage": False}})


def test_new_members_are_kept_where_they_are_and_named_once(
    shape: RecordShape, caplog: pytest.LogCaptureFixture
) -> None:
    row = {
        "id": "1",
        "amount": {"value": 1, "scale": 2},
        "lines": [{"tags": [{"code": "a", "colour": "red"}]}, {"cost": 5}],
        "anything": {"goes": 1},
    }

    records = [record for _ in range(3) for record in shape.decode_page(page(row, row)).records]

    assert [as_dict(record) for record in records] == [row] * 6
    assert sorted(caplog.messages) == [
        "things: Pleo sends a new field 'amount.scale', kept in place",
        "things: Pleo sends a new field 'lines[].cost', kept in place",
        "things: Pleo sends a new field 'lines[].tags[].colour', kept in place",
    ]


def test_new_top_level_members_move_to_additional_fields(shape: RecordShape, caplog: pytest.LogCaptureFixture) -> None:
    row = {"id": "1", "mood": {"x": [1]}, "added": "by Pleo", "additionalFields": {"theirs": 1}}

    (record,) = shape.decode_page(page(row)).records

    assert as_dict(record) == {"id": "1", "additionalFields": {k: v for k, v in row.items() if k != "id"}}
    assert len(caplog.messages) == 3


def test_characters_that_no_database_stores_are_counted(shape: RecordShape, caplog: pytest.LogCaptureFixture) -> None:
    shape.decode_page(page({"id": "1", "anything": "a\0b\0"}))
    shape.decode_page(page({"id": "2", "anything": "\0"}))

    assert [message.split("things: ")[1].split(" character")[0] for message in caplog.messages] == ["2", "1"]
    assert caplog.messages[1].endswith("3 in this run")


def test_a_name_is_quoted_on_one_line_and_cut(shape: RecordShape, caplog: pytest.LogCaptureFixture) -> None:
    shape.decode_page(page({"id": "1", "9\n\x1b[31mERROR forged\u2028": 1, "amount": {"x" * 2_000_000: 1}}))

    assert len(caplog.messages) == 2
    assert all(message.isprintable() and len(message) < 400 for message in caplog.messages)
    assert "9 \\x1b[31mERROR forged" in caplog.text


def test_of_very_many_new_names_the_first_are_named_and_the_others_counted(
    shape: RecordShape, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        shape.decode_page(page({"id": "1", f"new {number}": 1, "amount": {f"newer {number}": 1}}))

    assert sum("a new field" in message for message in caplog.messages) == 50
    assert [message.split("sends ")[1].split(",")[0] for message in caplog.messages[50:]] == [
        f"{count} new fields by now" for count in (51, 102, 204, 408, 816, 1632)
    ]
