"""JSON in, the same JSON out: splitting, joining, numbers and text of any kind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.api.paging import Page, PageDecoder
from tap_pleo_export.singer.exact_json import decode, elements, encode, join, members

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=())), JSON, max_size=5), st.sampled_from([None, 1]))
def test_members_keep_their_bytes(value: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(value, indent=indent).encode()
    parts = members(text)
    assert {name: decode(part) for name, part in parts.items()} == value
    assert all(bytes(part) in text for part in parts.values())
    assert decode(join(parts)) == value


@given(JSON)
def test_encode_is_the_inverse_of_decode(value: Any) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'"x"', b"1", b"{", b'{"a":1', b'{"a":1}x', b"{'a':1}", b'{"a":Infinity}', b'{"a":\xff}']
)
def test_non_object_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        members(text)


def test_members_with_lone_surrogates() -> None:
    text = '{"\\ud800":"\\\\ud800 \x80 \\ud83d\\ude00", "b" : "\\udfff"}'
    assert members(text.encode()) == {"\ud800": '"\\\\ud800 \x80 \\ud83d\\ude00"'.encode(), "b": b'"\\udfff"'}


def test_members_with_lone_surrogates_and_other_escapes() -> None:
    assert members(b'{"\\u0080\\ud800":1,"\\u0081":"\\uDFFF"}') == {"\x80\ud800": b"1", "\x81": b'"\\uDFFF"'}


@given(st.lists(JSON, max_size=5), st.sampled_from([None, 1]))
def test_elements_keep_their_values(value: list[Any], indent: int | None) -> None:
    assert [decode(part) for part in elements(json.dumps(value, indent=indent).encode())] == value


@pytest.mark.parametrize("text", [b"{}", b"[1", b"1", b'"\\ud800"'])
def test_non_array_has_no_elements(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        elements(text)


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1.50E-99999999999999999999", "0E+99999999999999999999"])
def test_numbers_beyond_all_decimals_keep_their_digits(number: str) -> None:
    text = f'{{"a":[{number}],"b":1.10}}'.encode()
    assert encode(decode(text)) == text
    page: Page[dict[str, Any]] = PageDecoder(dict[str, Any]).decode(
        b'{"data":[' + text + b'],"pagination":{"hasNextPage":false}}'
    )
    assert [encode(row) for row in page.records] == [text]
