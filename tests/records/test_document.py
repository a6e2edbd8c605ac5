"""Whatever Pleo's OpenAPI document allows becomes a record: nothing lost, no digit changed, of the stream's schema."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pleo_export.records.shape import ADDITIONAL_FIELDS
from tests.helpers import document
from tests.helpers.decoding import decode, streams, written
from tests.helpers.document import encode, stored, to_the_digit
from tests.helpers.mapper import JOB

if TYPE_CHECKING:
    from tap_pleo_export.paged_stream import PagedStream

STREAMS = streams()
SCHEMAS = {"export_jobs": "ExportJobV3", "export_job_items": "ExportJobItemV3", "export_items": "ExportItemV3"}
# What the tap adds, where it does not depend on the row.
ADDED = {"export_jobs": {}, "export_job_items": {}, "export_items": {"jobId": JOB, "itemStatus": "pending"}}
rows = st.sampled_from(sorted(SCHEMAS)).flatmap(
    lambda name: st.tuples(st.just(STREAMS[name]), st.lists(document.of(SCHEMAS[name]), min_size=1, max_size=2))
)


def expected(stream: PagedStream, row: dict[str, Any]) -> dict[str, Any]:
    """Return the record that a row becomes, without `expiresAt`."""
    known = stream.schema["properties"].keys() - {*stream.members_computed, ADDITIONAL_FIELDS}
    new = {name: member for name, member in row.items() if name not in known}
    declared = {name: member for name, member in row.items() if name in known}
    return stored(declared | ({ADDITIONAL_FIELDS: new} if new else {})) | ADDED[stream.name]


@settings(max_examples=150)
@given(rows)
def test_every_row_that_the_document_allows_becomes_a_record(case: tuple[PagedStream, list[dict[str, Any]]]) -> None:
    stream, drawn = case
    validator = jsonschema_rs.Draft7Validator(stream.schema)

    records = written(stream, drawn)

    for row, record in zip(drawn, records, strict=True):
        values = to_the_digit(record)
        values.pop("expiresAt", None)
        assert values == to_the_digit(encode(expected(stream, row)))
        validator.validate(plain := json.loads(record, parse_float=Decimal))
        assert all(isinstance(plain[key], str) and plain[key] for key in stream.primary_keys)


@settings(max_examples=50)
@given(document.of("ExportJobItemV3"))
def test_the_status_of_a_job_item_is_read(row: dict[str, Any]) -> None:
    (record,) = decode(STREAMS["export_job_items"], [row])

    assert record.status == stored(row["status"])
    assert (record.exportJobId, record.accountingEntryId) == (row["exportJobId"], row["accountingEntryId"])


@pytest.mark.parametrize("name", SCHEMAS.values())
def test_what_is_drawn_of_the_document_conforms_to_it(name: str) -> None:
    from sandbox.conformance import violations

    drawn = document.sample(document.of(name, growing=False), 40, 1)

    assert [violations(name, value) for value in drawn] == [[]] * len(drawn)
