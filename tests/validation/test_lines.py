"""An earlier verdict is removed from a line, a new one is added, the rest is unchanged."""

from __future__ import annotations

import json

import pytest

from tap_pleo_export.singer.exact_json import members
from tap_pleo_export.validation.messages import without_verdict
from tests.helpers.mapper import GOOD, dumps, failing, item, record, run, schema


@pytest.mark.parametrize(
    ("annotated", "plain"),
    [
        ('{"a": 1,%s}', '{"a": 1}'),
        ('{"a": 1 ,%s , "b" : 2.0 }', '{"a":1,"b":2.0}'),
        ('{%s,"a":1e400}', '{"a":1e400}'),
        ("{%s}", "{}"),
        ('{"a":1,"bookkeepingMethod":"journal","validationStatus":"x"}', '{"a":1}'),
        (
            '{"a":{"validationStatus":1,"x":2},%s,"b":{"c":1,"validationStatus":3}}',
            '{"a":{"validationStatus":1,"x":2},"b":{"c":1,"validationStatus":3}}',
        ),
        ('{"validationStatus":1,"a":1,%s}', '{"a":1}'),
        ('{"a": {"x": 2,"validationStatus": 1}, "b": 1.0,%s}', '{"a": {"x": 2,"validationStatus": 1}, "b": 1.0}'),
    ],
)
def test_earlier_verdict_is_removed_from_any_position(annotated: str, plain: str) -> None:
    (line,) = run(schema() + record({}), {}).lines[1:]
    verdict = bytes(members(line)["record"])[1:-1].decode()
    assert without_verdict(annotated.replace("%s", verdict).encode()) == plain.encode()


def test_whitespace_and_member_order_do_not_matter() -> None:
    text = dumps({"record": failing() | {"a": [1, {}]}, "type": "RECORD", "stream": "export_items"}, (" , ", " : "))
    output = run(schema() + text.encode() + b"\n" + record(item(2)), GOOD)
    assert [after["validationStatus"] for after in output.records()] == ["failed", "passed"]
    assert json.loads(output.lines[1])["record"]["a"] == [1, {}]
