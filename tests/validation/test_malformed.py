"""Input that is not Singer is refused by line number and never quoted; earlier lines pass."""

from __future__ import annotations

import pytest

from tests.helpers.mapper import record, run_until_error, schema, state


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b'{"type":"RECORD","stream":"export_items","record":{"iban":"GB33BUKB', "is not a JSON object"),
        (b"Traceback GB33BUKB", "is not a JSON object"),
        (b'["GB33BUKB"]', "is not a JSON object"),
        (b'{"stream":"export_items","record":{"iban":"GB33BUKB"}}', "has no message type"),
        (b'{"type":5,"iban":"GB33BUKB"}', "has no message type"),
        (b'{"type":"RECORD","stream":"export_items","record":["GB33BUKB"]}', "has a record that is not an object"),
        (b'{"type":"RECORD","stream":"export_items","iban":"GB33BUKB"}', "has no record"),
        (
            b'{"type":"RECORD","stream":"export_items","record":{"iban":"GB33BUKB\xff"}}',
            "has a record that is not JSON",
        ),
        (b'{"type":"RECORD","stream":"export_items","record":{"a":NaN,"iban":"GB33BUKB"}}', "is not a JSON object"),
        (b'{"type":"RECORD","stream":"other","record":{"iban":"GB33BUKB\xff"}}', "is not UTF-8 text"),
        (b'{"type":"SCHEMA","stream":"export_items","schema":"GB33BUKB"}', "has a schema that is not an object"),
        (
            b'{"type":"SCHEMA","stream":"export_items","schema":{"properties":["GB33BUKB"]}}',
            "has a schema with properties",
        ),
        (b'{"type":"BATCH","stream":"export_items","manifest":["GB33BUKB"]}', "is a BATCH of export_items"),
        (b'{"type":"STATE","value":' + b"[" * 100_000 + b'"GB33BUKB"', "is not a JSON object"),
    ],
)
def test_malformed_line_is_numbered_but_not_quoted(bad: bytes, why: str, caplog: pytest.LogCaptureFixture) -> None:
    before = schema("other") + b"\n" + record({"id": 1}, "other")
    output, error = run_until_error(before + bad + b"\n" + state(9))
    assert error.startswith(f"line 4 of the input {why}")
    assert output.data == before.replace(b"\n\n", b"\n")
    assert "GB33BUKB" not in error + caplog.text


def test_unicode_line_separators_do_not_end_a_line() -> None:
    data = record({"note": "a\u2028b\x85\x0c"}, "other")
    assert run_until_error(data + b"{\n")[1].startswith("line 2 ")
