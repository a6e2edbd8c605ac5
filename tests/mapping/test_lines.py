"""Bytes in, bytes out: splitting, joining, stripping, writing whole lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.mapping.items import without_verdict
from tap_pleo_export.mapping.lines import Line, LineWriter, decode, encode, join, members
from tests.helpers.mapper import GOOD, dumps, failing, item, record, run, schema

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=())), JSON, max_size=5),
    st.sampled_from([None, 1]),
)
def test_members_are_the_values_as_written(value: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(value, indent=indent).encode()
    parts = members(text)
    assert {name: decode(part) for name, part in parts.items()} == value
    assert all(bytes(part) in text for part in parts.values())
    assert decode(join(parts)) == value


@given(JSON)
def test_encode_is_the_inverse_of_decode(value: Any) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b'"x"', b"1", b"{", b'{"a":1', b'{"a":1}x', b"{'a':1}", b'{"a":Infinity}', b'{"a":\xff}'],
)
def test_anything_but_an_object_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        members(text)


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
    ],
)
def test_an_earlier_verdict_is_removed_wherever_it_stands(annotated: str, plain: str) -> None:
    (line,) = run(schema(schema={}) + record({}), {}).lines[1:]
    verdict = bytes(members(line)["record"])[1:-1].decode()
    assert without_verdict(annotated.replace("%s", verdict).encode()) == plain.encode()


class Trickle:
    """A stream that takes a few bytes at a time, and is interrupted while it does."""

    def __init__(self) -> None:
        self.data = b""
        self.on_write: Any = lambda: None

    def write(self, data: memoryview) -> int:
        self.on_write()
        self.data += bytes(data[:5])
        return min(5, len(data))


def test_short_writes_are_continued() -> None:
    stream = Trickle()
    writer = LineWriter(stream)  # type: ignore[arg-type] # all that the writer needs
    writer.write_message(Line(b"x" * 23))
    writer.flush()
    assert stream.data == b"x" * 23 + b"\n"


def test_a_signal_waits_for_the_end_of_the_lines_being_written() -> None:
    stream = Trickle()
    writer = LineWriter(stream)  # type: ignore[arg-type] # all that the writer needs

    def interrupt_once() -> None:
        stream.on_write = lambda: None
        writer.interrupt(143)

    stream.on_write = interrupt_once
    writer.write_message(Line(b"x" * 23))
    with pytest.raises(SystemExit) as exit_:
        writer.flush()
    assert exit_.value.code == 143
    assert stream.data == b"x" * 23 + b"\n"


def test_a_second_signal_does_not_wait() -> None:
    stream = Trickle()
    writer = LineWriter(stream)  # type: ignore[arg-type] # all that the writer needs
    stream.on_write = lambda: writer.interrupt(143)
    writer.write_message(Line(b"x" * 23))
    with pytest.raises(SystemExit):
        writer.flush()
    assert stream.data == b"x" * 5
    writer.flush()
    assert stream.data == b"x" * 5, "what was given up is not written later"


def test_a_signal_between_lines_ends_at_once() -> None:
    with pytest.raises(SystemExit) as exit_:
        LineWriter(Trickle()).interrupt(130)  # type: ignore[arg-type] # all that the writer needs
    assert exit_.value.code == 130


def test_the_tap_may_write_spaces_and_any_order_of_members() -> None:
    text = dumps({"record": failing() | {"a": [1, {}]}, "type": "RECORD", "stream": "export_items"}, (" , ", " : "))
    output = run(schema() + text.encode() + b"\n" + record(item(2)), GOOD)
    assert [after["validationStatus"] for after in output.records()] == ["failed", "passed"]
    assert json.loads(output.lines[1])["record"]["a"] == [1, {}]
