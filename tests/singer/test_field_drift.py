"""Fields that Pleo sends beyond the declared schema are reported once."""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
import pytest

from tap_pleo_export.singer.field_drift import DriftWatch
from tap_pleo_export.singer.record_decoder import as_dict
from tests.helpers.decoding import PageReader

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
def reader(caplog: pytest.LogCaptureFixture) -> PageReader:
    caplog.set_level(logging.WARNING)
    drift = DriftWatch("things", SCHEMA, logging.getLogger("drift"))
    return PageReader(SCHEMA, keys=("id",), computed=("added",), drift=drift)


def page(*rows: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"data": rows, "pagination": {"hasNextPage": False}})


def test_new_members_are_kept_where_they_are_and_named_once(
    reader: PageReader, caplog: pytest.LogCaptureFixture
) -> None:
    row = {
        "id": "1",
        "amount": {"value": 1, "scale": 2},
        "lines": [{"tags": [{"code": "a", "colour": "red"}]}, {"cost": 5}],
        "anything": {"goes": 1},
    }

    records = [record for _ in range(3) for record in reader.decode_page(page(row, row)).records]

    assert [as_dict(record) for record in records] == [row] * 6
    assert sorted(caplog.messages) == [
        "things: Pleo sends a new field 'amount.scale', kept in place",
        "things: Pleo sends a new field 'lines[].cost', kept in place",
        "things: Pleo sends a new field 'lines[].tags[].colour', kept in place",
    ]


def test_new_top_level_members_move_to_additional_fields(reader: PageReader, caplog: pytest.LogCaptureFixture) -> None:
    row = {"id": "1", "mood": {"x": [1]}, "added": "by Pleo", "additionalFields": {"theirs": 1}}

    (record,) = reader.decode_page(page(row)).records

    assert as_dict(record) == {"id": "1", "additionalFields": {k: v for k, v in row.items() if k != "id"}}
    assert sorted(caplog.messages) == [
        "things: Pleo sends a new field 'added', kept in 'additionalFields'",
        "things: Pleo sends a new field 'additionalFields', kept in 'additionalFields'",
        "things: Pleo sends a new field 'mood', kept in 'additionalFields'",
    ]


def test_characters_that_no_database_stores_are_counted(reader: PageReader, caplog: pytest.LogCaptureFixture) -> None:
    reader.decode_page(page({"id": "1", "anything": "a\0b\0"}))
    reader.decode_page(page({"id": "2", "anything": "\0"}))

    assert [message.split("things: ")[1].split(" character")[0] for message in caplog.messages] == ["2", "1"]
    assert caplog.messages[0] == (
        "things: 2 character(s) that databases cannot store (NUL or unpaired surrogate) replaced by U+FFFD, "
        "2 in this run"
    )
    assert caplog.messages[1].endswith(", 3 in this run")


def test_a_name_is_quoted_on_one_line_and_cut(reader: PageReader, caplog: pytest.LogCaptureFixture) -> None:
    reader.decode_page(page({"id": "1", "9\n\x1b[31mERROR forged\u2028": 1, "amount": {"x" * 2_000_000: 1}}))

    assert len(caplog.messages) == 2
    assert all(message.isprintable() and len(message) < 400 for message in caplog.messages)
    assert "9 \\x1b[31mERROR forged" in caplog.text


def test_of_very_many_new_names_the_first_are_named_and_the_others_counted(
    reader: PageReader, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        reader.decode_page(page({"id": "1", f"new {number}": 1, "amount": {f"newer {number}": 1}}))

    assert sum("a new field" in message for message in caplog.messages) == 50
    assert caplog.messages[50:] == [
        f"things: Pleo sends {count} new fields so far, all are kept; further ones are counted, not named"
        for count in (51, 102, 204, 408, 816, 1632)
    ]


@pytest.mark.parametrize(
    ("row", "reported"),
    [
        ({"amount": [{"scale": 2}]}, []),
        ({"amount": "5", "lines": 7}, []),
        ({"amount": None, "lines": None}, []),
        ({"lines": {"cost": 5}}, []),
        ({"lines": [7, None, {"cost": 5}]}, ["lines[].cost"]),
        ({"lines": [{"tags": {"colour": 1}}, {"tags": [{"colour": 1}]}]}, ["lines[].tags[].colour"]),
        ({"amount": {"value": {"any": 1}, "scale": {"any": 1}}}, ["amount.scale"]),
        ({"amount": {"a": 1, "b": 1e400}}, ["amount.a", "amount.b"]),
    ],
)
def test_members_of_another_shape_are_kept_and_hide_no_new_name(
    reader: PageReader, caplog: pytest.LogCaptureFixture, row: dict[str, Any], reported: list[str]
) -> None:
    body = json.dumps({"data": [{"id": "1", **row}], "pagination": {"hasNextPage": False}}).encode()

    (record,) = reader.decode_page(body.replace(b"Infinity", b"1e400")).records

    assert record.id == "1"
    assert sorted(caplog.messages) == [f"things: Pleo sends a new field '{name}', kept in place" for name in reported]


def fields_seen(reader: PageReader, caplog: pytest.LogCaptureFixture, count: int) -> list[int]:
    """Return the positions of the records, each with a different new name inside, that were inspected."""
    rows = [{"id": "1", "amount": {f"new {number}": 1}} for number in range(count)]
    caplog.clear()
    reader.decode_page(page(*rows))
    return sorted(int(message.split("'")[1].removeprefix("amount.new ")) for message in caplog.messages)


def test_the_first_thousand_records_are_looked_into_then_one_in_32(
    reader: PageReader, caplog: pytest.LogCaptureFixture
) -> None:
    plain = {"id": "1"}
    reader.decode_page(page(*[plain] * 500))
    reader.decode_page(page(*[plain] * 499))
    assert fields_seen(reader, caplog, 3) == [0, 1, 2]
    rows = [{"id": "1", "amount": {f"late {number}": 1}} for number in range(65)]
    caplog.clear()

    reader.decode_page(page(*rows))

    assert caplog.messages == [
        f"things: Pleo sends a new field 'amount.late {number}', kept in place" for number in (0, 32, 64)
    ]


def test_a_thousand_records_are_the_first_thousand(reader: PageReader, caplog: pytest.LogCaptureFixture) -> None:
    reader.decode_page(page(*[{"id": "1"}] * 1000))

    assert fields_seen(reader, caplog, 33) == [0, 32]


def test_a_stream_without_declared_objects_has_nothing_to_look_into(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    schema: dict[str, Any] = {"properties": {"id": {}, "list": {"items": {}}}}
    drift = DriftWatch("things", schema, logging.getLogger("drift"))

    PageReader(schema, keys=("id",), drift=drift).decode_page(page({"id": "1", "list": [{"a": 1}]}))

    assert caplog.messages == []


def test_a_record_as_declared_is_not_looked_into_name_by_name(
    reader: PageReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DriftWatch, "_walk", lambda *_: pytest.fail("looked into"))
    row = {"id": "1", "amount": {"value": 1, "currency": "GBP"}, "lines": [{"tags": [{"code": "a"}, {}]}, {}, None]}

    assert len(reader.decode_page(page(row, {"id": "2", "amount": None, "lines": None})).records) == 2


def test_a_known_new_name_does_not_hide_others(reader: PageReader, caplog: pytest.LogCaptureFixture) -> None:
    reader.decode_page(page({"id": "1", "old": 1}))
    reader.decode_page(page({"id": "1", "old": 1, "new": 1}))

    assert [message.split("'")[1] for message in caplog.messages] == ["old", "new"]


def test_a_long_number_does_not_hide_new_names(reader: PageReader, caplog: pytest.LogCaptureFixture) -> None:
    number = "7" * 4301
    row = f'{{"id":"1","amount":{{"value":{number},"scale":1e400}},"lines":[{{"cost":-{number}}}]}}'

    (record,) = reader.decode_page(f'{{"data":[{row}],"pagination":{{"hasNextPage":false}}}}'.encode()).records

    assert bytes(record.amount) == f'{{"value":{number},"scale":1e400}}'.encode()
    assert sorted(caplog.messages) == [
        "things: Pleo sends a new field 'amount.scale', kept in place",
        "things: Pleo sends a new field 'lines[].cost', kept in place",
    ]
