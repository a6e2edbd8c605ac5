"""Every row that Pleo's OpenAPI document allows becomes a record: complete, exact, valid by the stream's schema."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pleo_export.tap.stream import PleoStream
from tests.helpers import document
from tests.helpers.decoding import decode, kept, streams, written
from tests.helpers.document import encode, stored, to_the_digit
from tests.helpers.mapper import JOB

STREAMS = streams()
SCHEMAS = {"export_jobs": "ExportJobV3", "export_job_items": "ExportJobItemV3", "export_items": "ExportItemV3"}
# Added by the tap regardless of the row.
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
