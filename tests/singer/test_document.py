"""Whatever Pleo's OpenAPI document allows becomes a record: nothing lost, no digit changed, of the stream's schema."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.conformance import violations
from tap_pleo_export.validation.vocabulary import ITEM_TYPES
from tests.helpers import document
from tests.helpers.decoding import decode, kept, streams, written
from tests.helpers.document import encode, stored, to_the_digit
from tests.helpers.mapper import JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_pleo_export.tap.stream import PleoStream

STREAMS = streams()
SCHEMAS = {"export_jobs": "ExportJobV3", "export_job_items": "ExportJobItemV3", "export_items": "ExportItemV3"}
# What the tap adds, where it does not depend on the row.
ADDED = {"export_jobs": {}, "export_job_items": {}, "export_items": {"jobId": JOB, "itemStatus": "pending"}}
rows = st.sampled_from(sorted(SCHEMAS)).flatmap(
    lambda name: st.tuples(st.just(STREAMS[name]), st.lists(document.row(SCHEMAS[name]), min_size=1, max_size=2))
)


@document.examples(60)
@given(rows)
def test_every_row_that_the_document_allows_becomes_a_record(case: tuple[PleoStream, list[dict[str, Any]]]) -> None:
    stream, drawn = case
    validator = jsonschema_rs.Draft7Validator(stream.schema)

    records = written(stream, drawn)

    for row, record in zip(drawn, records, strict=True):
        values = to_the_digit(record)
        values.pop("expiresAt", None)
        assert values == to_the_digit(encode(kept(stream, row) | ADDED[stream.name]))
        validator.validate(plain := json.loads(record, parse_float=Decimal))
        assert all(isinstance(plain[key], str) and plain[key] for key in stream.primary_keys)


@settings(max_examples=50)
@given(document.row("ExportJobItemV3"))
def test_the_status_of_a_job_item_is_read(row: dict[str, Any]) -> None:
    (record,) = decode(STREAMS["export_job_items"], [row])

    assert record.status == stored(row["status"])
    assert (record.exportJobId, record.accountingEntryId) == (row["exportJobId"], row["accountingEntryId"])


@pytest.mark.parametrize("name", SCHEMAS.values())
def test_what_is_drawn_of_the_document_conforms_to_it(name: str) -> None:
    drawn = document.sample(document.of(name, growing=False), 40, 1)

    assert [violations(name, value) for value in drawn] == [[]] * len(drawn)


THOUSANDTHS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
KINDS: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "integer of 19 digits": lambda value: isinstance(value, int) and abs(value) >= 10**18,
    "three decimals": lambda value: isinstance(value, Decimal) and value.as_tuple().exponent == -3,
    "exponent": lambda value: isinstance(value, Decimal) and "E" in str(value),
    "long text": lambda value: isinstance(value, str) and len(value) > 1000,
    "empty text": lambda value: value == "",
    "text that is not ASCII": lambda value: isinstance(value, str) and not value.isascii(),
    "empty array": lambda value: value == [],
    "unknown enum value": lambda value: value == document.TOMORROW,
    "currency of three decimals": lambda value: isinstance(value, str) and value in THOUSANDTHS,
}


def parts(value: Any) -> Iterator[Any]:
    """Yield a value and all that is in it."""
    yield value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in inside:
        yield from parts(member)


def test_what_is_drawn_is_as_varied_as_the_document_allows() -> None:
    items = document.sample(document.row("ExportItemV3"), 60, 1)
    declared = document.DOCUMENT["ExportItemV3"]["properties"].keys()

    assert [name for name, is_so in KINDS.items() if not any(map(is_so, parts(items)))] == []
    assert any(item.keys() - declared for item in items)
    assert any(declared - item.keys() for item in items)
    assert len({item["type"] for item in items} & {*ITEM_TYPES}) >= 3
