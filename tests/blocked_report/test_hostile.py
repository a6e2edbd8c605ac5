"""Records of any shape are read or counted as unreadable."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.blocked_report.grouping import Summary, without_item
from tap_pleo_export.blocked_report.jsonl_reader import read_lines
from tap_pleo_export.blocked_report.number_format import ENGLISH
from tap_pleo_export.blocked_report.page import render
from tap_pleo_export.blocked_report.record_store import RecordStore, ReportError
from tap_pleo_export.blocked_report.spreadsheet import Spreadsheet
from tests.helpers import books, mapper

# The test kit marks exact numbers with NUL.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=(), exclude_characters="\0"), max_size=20)
    | st.sampled_from(["passed", "failed", "", "2026-03-01", "UNDEFINED", 2**70, -(10**400), "https://a/"]),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(["a", "name", "value"]), children)
    ),
    max_leaves=8,
)
FINDING = {"check": "tag_exists", "status": "failed", "severity": "error", "failureReason": "x", "path": ""}
FAILED: dict[str, Any] = mapper.failing() | {
    "validationStatus": "failed",
    "user": {"name": "Zoë"},
    "validationChecks": [FINDING | {"subject": {"role": "tag", "code": "PRJ-9", "alternatives": ["wallet"]}}],
}
STREAMS: dict[str, dict[str, Any]] = {
    "export_items": FAILED,
    "export_jobs": books.jobs()[0],
    "export_job_items": books.statuses()[0] | {"failureReason": "x", "failureReasonType": "y"},
}


def report(data: bytes) -> tuple[Summary, str, str]:
    """Return summary, page and CSV of these lines."""
    store = RecordStore()
    read_lines(io.BytesIO(data), "input", "", store, lambda _size: None)
    summary = Summary(store.jobs(), unreadable=store.unreadable, as_of=store.as_of)
    table = io.StringIO()
    sheet = Spreadsheet(table)
    for item in store.items_except(set()):
        sheet.add(item, summary.add(item), summary.jobs[item.job].job)
    for listed in store.job_items_only(set()):
        summary.add_job_item(without_item(listed))
    page = "".join(render(summary, datetime(2026, 3, 3, tzinfo=UTC), ENGLISH))
    store.close()
    (page + table.getvalue()).encode()
    return summary, page, table.getvalue()


def inside(draw: Any, value: Any) -> Any:
    """Return a value with one part replaced."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        return value | {name: inside(draw, value[name])}
    if isinstance(value, list) and value and draw(st.booleans()):
        return [inside(draw, value[0]), *value[1:]]
    return draw(VALUES)


@st.composite
def changed(draw: Any) -> tuple[str, dict[str, Any]]:
    stream = draw(st.sampled_from(sorted(STREAMS)))
    record = STREAMS[stream]
    name = draw(st.sampled_from(sorted(record)))
    return stream, record | {name: inside(draw, record[name])}


@given(st.lists(changed(), min_size=1, max_size=6))
def test_records_of_any_shape_are_reported(records: list[tuple[str, dict[str, Any]]]) -> None:
    lines = [mapper.record(record, stream) for stream, record in records]
    data = b"".join(lines) + b"".join(mapper.line(record) for _, record in records)

    report(data)


@given(VALUES, VALUES)
def test_messages_of_any_type_and_stream_are_reported(kind: object, stream: object) -> None:
    report(mapper.line({"type": kind, "stream": stream, "record": FAILED}))
    report(mapper.line({"type": "RECORD", "stream": stream, "record": FAILED}))


@pytest.mark.parametrize("member", ["jobId", "accountingEntryId"])
@pytest.mark.parametrize("value", [None, "", 7, []])
def test_items_without_ids_are_counted(member: str, value: object) -> None:
    summary, page, _ = report(mapper.record(FAILED | {member: value}) + mapper.record(FAILED))

    assert (summary.unreadable, summary.totals.items) == (1, 1)
    assert "records without ids were skipped" in page


def test_excessive_nesting_is_reported() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    line = mapper.line(FAILED | {"supplier": 0}).replace(b'"supplier":0', b'"supplier":' + deep)

    with pytest.raises(ReportError, match="line 1 is not a JSON object"):
        report(line)
