"""A page's bytes become records; a row that cannot be one is named and spares the others."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from tap_pleo_export.api.errors import AnswerTooLarge
from tap_pleo_export.api.paging import PageInfo, decode_single
from tap_pleo_export.singer.field_drift import DriftWatch
from tap_pleo_export.singer.record_decoder import UnusableRowError, as_dict
from tests.helpers.decoding import PageReader

SCHEMA: dict[str, Any] = {
    "properties": {"id": {}, "jobId": {}, "count": {}, "value": {}, "added": {}, "additionalFields": {}}
}
READ = {"count": int | None, "unheard": int}
NAMES = st.sampled_from([*SCHEMA["properties"], "mood", "Id"])


def shape(**options: Any) -> PageReader:
    drift = DriftWatch("things", SCHEMA, logging.getLogger("shape"))
    return PageReader(SCHEMA, keys=("id", "jobId"), drift=drift, **{"read": READ, "computed": ("added",), **options})


def page(*rows: str, pagination: str = '{"hasNextPage":false}') -> bytes:
    return f'{{"data":[{",".join(rows)}],"pagination":{pagination}}}'.encode()


def row(**members: str) -> str:
    named = {"id": '"1"', "jobId": '"a"', **members}
    return as_object({name: value for name, value in named.items() if value})


def as_object(members: dict[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"


def test_members_stay_as_pleo_sent_them() -> None:
    (record,) = shape().decode_page(page(row(value='{"x" : 1.10}', count="7"))).records

    assert (record.id, record.jobId, record.count, bytes(record.value)) == ("1", "a", 7, b'{"x" : 1.10}')
    assert record.added is record.additionalFields is UNSET
    assert as_dict(record) == {"id": "1", "jobId": "a", "count": 7, "value": {"x": Decimal("1.10")}}


def test_computed_members_can_be_set_and_undeclared_ones_cannot() -> None:
    (record,) = shape().decode_page(page(row())).records

    record.added = "ours"

    assert as_dict(record) == {"id": "1", "jobId": "a", "added": "ours"}
    with pytest.raises(AttributeError):
        record.mood = "theirs"


def test_only_the_given_members_are_decoded() -> None:
    plain = PageReader(SCHEMA, keys=("id",), drift=DriftWatch("things", SCHEMA, logging.getLogger("shape")))

    (record,) = plain.decode_page(page(row(count='"seven"', added='"x"'))).records

    assert isinstance(record.jobId, Raw)
    assert isinstance(record.count, Raw)
    assert isinstance(record.added, Raw)


def test_the_pagination_is_read() -> None:
    info = '{"hasNextPage":true,"endCursor":"c","total":12,"hasPreviousPage":false}'

    assert shape().decode_page(page(row(), pagination=info)).info == PageInfo(True, "c", 12)
    assert shape().decode_page(page(row(mood="1"), pagination=info)).info == PageInfo(True, "c", 12)


@pytest.mark.parametrize("total", ['"12"', "12.5", "true", "null", "[]", "1e400", "9" * 4301])
def test_an_invalid_total_is_ignored(total: str) -> None:
    info = f'{{"hasNextPage":true,"endCursor":"c","total":{total}}}'

    assert shape().decode_page(page(row(), pagination=info)).info == PageInfo(True, "c", None)


UNUSABLE = {
    "not an object": ("[]", "row 2 is unusable, not an object"),
    "nothing": ("null", "row 2 is unusable, not an object"),
    "a number": ("1.5", "row 2 is unusable, not an object"),
    "a number of 4,301 digits": ("7" * 4301, "row 2 is unusable, not an object"),
    "a number beyond floating point": ("-1e400", "row 2 is unusable, not an object"),
    "no key": (row(id=""), "row 2 (id \"a\") is unusable, it has no 'id'"),
    "no second key": (row(jobId=""), "row 2 (id \"1\") is unusable, it has no 'jobId'"),
    "no keys": (row(id="", jobId=""), "row 2 is unusable, it has no 'id'"),
    "an empty key": (row(id='""'), "row 2 (id \"\") is unusable, its 'id' is not a non-empty text"),
    "a number for a key": (row(jobId="7"), "row 2 (id \"1\") is unusable, its 'jobId' is not a non-empty text"),
    "another type": (row(count='"x"'), "row 2 (id \"1\") is unusable, its 'count' is not of the expected type"),
    "a key of several lines": (row(id='[1,\n\n"\\u0001"]'), None),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_an_unusable_row_is_reported_and_the_others_are_kept(what: str) -> None:
    bad, reason = UNUSABLE[what]

    found = shape().decode_page(page(row(id='"0"'), bad, row(id='"2"', value="0.10")))

    assert [as_dict(record) for record in found.records] == [
        {"id": "0", "jobId": "a"},
        {"id": "2", "jobId": "a", "value": Decimal("0.10")},
    ]
    assert found.rows == 3
    assert len(found.unusable) == 1
    assert "\n" not in found.unusable[0]
    assert reason is None or found.unusable == [reason]


def test_a_page_of_good_rows_has_no_unusable_ones() -> None:
    found = shape().decode_page(page(row(), row()))

    assert (found.rows, found.unusable) == (2, [])


def test_good_rows_are_not_read_one_by_one() -> None:
    quick = shape()
    quick._page_decoder._raw_pages = None  # type: ignore[assignment] # the way for rows that need more

    assert len(quick.decode_page(page(row(), row(count="1", value="1.5"))).records) == 2


def test_keys_may_be_anywhere_in_the_schema() -> None:
    schema: dict[str, Any] = {"properties": {"value": {}, "additionalFields": {}, "id": {}}}
    drift = DriftWatch("things", schema, logging.getLogger("shape"))

    (record,) = PageReader(schema, keys=("id",), drift=drift).decode_page(page('{"value":1,"id":"1"}')).records

    assert as_dict(record) == {"id": "1", "value": 1}


@pytest.mark.parametrize("value", ["null", '"x"', '""', "1", "{}"])
def test_any_value_in_a_computed_member_moves_aside(value: str) -> None:
    (record,) = shape().decode_page(page(row(added=value))).records

    assert as_dict(record)["additionalFields"] == {"added": msgspec.json.decode(value)}


def test_a_member_that_is_not_declared_moves_aside() -> None:
    (record,) = shape().decode_page(page(row(mood="1.50"))).records

    assert as_dict(record) == {"id": "1", "jobId": "a", "additionalFields": {"mood": Decimal("1.50")}}


def test_computed_members_sent_by_pleo_move_aside() -> None:
    (record,) = shape().decode_page(page(row(added='"x"', additionalFields='{"y":1.50}', mood="null"))).records

    assert as_dict(record) == {
        "id": "1",
        "jobId": "a",
        "additionalFields": {"added": "x", "additionalFields": {"y": Decimal("1.50")}, "mood": None},
    }


KEYS = st.sampled_from(['"x"', '"x"', '"x"', "1", "null"])
ROWS = st.builds(
    lambda keys, members: members | keys,
    st.fixed_dictionaries({"id": KEYS, "jobId": KEYS}) | st.just({}),
    st.dictionaries(NAMES, st.sampled_from(['"x"', "1", "null", "1.50", '{"a":[1]}', '""'])),
)


@given(st.lists(ROWS))
def test_every_row_becomes_a_complete_record_or_is_reported(rows: list[dict[str, str]]) -> None:
    found = shape().decode_page(page(*map(as_object, rows)))

    assert found.rows == len(rows)
    good = [
        members
        for members in rows
        if {members.get("id"), members.get("jobId")} == {'"x"'} and members.get("count", "1") in {"1", "null"}
    ]
    assert len(found.records) == len(good)
    for record, members in zip(found.records, good, strict=True):
        declared = as_dict(record)
        moved = declared.pop("additionalFields", {})
        assert moved.keys().isdisjoint({"id", "jobId", "count", "value"})
        sent = {name: msgspec.json.decode(value) for name, value in members.items()}
        assert {name: float(v) if isinstance(v, Decimal) else v for name, v in (declared | moved).items()} == sent


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"data":[]}', b'{"data":{},"pagination":{"hasNextPage":true}}', b'{"data":[],"pagination":{}}', b"no"],
)
def test_other_json_is_not_a_page(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        shape().decode_page(body)


@pytest.mark.parametrize("place", ["a row", "the pagination"])
def test_a_page_nested_too_deeply_is_one_error(place: str) -> None:
    deep = "[" * 3000 + "]" * 3000
    body = page(row(value=deep)) if place == "a row" else page(pagination='{"hasNextPage":false,"x":' + deep + "}")

    with pytest.raises(AnswerTooLarge, match="nested too deeply"):
        shape().decode_page(body)


def test_a_single_object_becomes_a_record() -> None:
    record = shape().decode_row(decode_single(f'{{"data":{row(count="3", mood="1")},"more":1}}'.encode()))

    assert as_dict(record) == {"id": "1", "jobId": "a", "count": 3, "additionalFields": {"mood": 1}}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (row(id=""), "it has no 'id'"),
        (row(id="null"), "its 'id' is not a non-empty text"),
        (row(count='"x"'), "its 'count' is not of the expected type"),
    ],
)
def test_a_single_object_that_cannot_be_a_record_is_an_error(data: str, reason: str) -> None:
    with pytest.raises(UnusableRowError) as caught:
        shape().decode_row(Raw(data.encode()))

    assert caught.value.reason == reason


@pytest.mark.parametrize("body", [b"{}", b'{"data":', b'{"dat":{}}'])
def test_other_json_is_not_a_single_object(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_single(body)
