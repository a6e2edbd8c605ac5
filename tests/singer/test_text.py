"""Bodies as Singer lines can carry them."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.text import one_line, storable

ANY_TEXT = st.text(st.characters() | st.sampled_from('\0\ud800\udbff\udc00\udfff\\u0d8\n\u2028"'))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ANY_TEXT, inner, max_size=5),
    max_leaves=15,
)
UNPAIRED = re.compile(r"[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\0")


def cleaned(text: str) -> str:
    """The same text as PostgreSQL would take it."""
    pairs_joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return pairs_joined.replace("\0", "\ufffd")


def all_texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for element in value for text in all_texts(element)]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in all_texts(part)]
    return []


@given(value=JSON, indent=st.sampled_from([None, 2]))
def test_the_result_is_one_line_that_databases_can_store(value: Any, indent: int | None) -> None:
    body, _ = storable(json.dumps(value, indent=indent).encode())

    assert b"\n" not in body
    assert b"\r" not in body
    for text in all_texts(msgspec.json.decode(body)):
        assert "\0" not in text
        text.encode("utf-8")


@pytest.mark.parametrize("others", [0, 1, 499, 500, 501, 2000])
def test_many_escapes_hide_none_that_cannot_be_stored(others: int) -> None:
    body = b'["' + rb"\n" * others + rb'\u0000"]'

    assert storable(body) == (body.replace(rb"\u0000", rb"\ufffd"), 1)


@given(st.lists(ANY_TEXT))
def test_only_unstorable_characters_are_replaced_and_counted(texts: list[str]) -> None:
    original = json.dumps(texts)

    body, count = storable(original.encode())

    joined = json.loads(original)
    assert msgspec.json.decode(body) == [cleaned(text) for text in joined]
    assert count == sum(cleaned(text).count("\ufffd") - text.count("\ufffd") for text in joined)


@given(JSON)
def test_a_clean_body_is_left_byte_for_byte(value: Any) -> None:
    body = json.dumps(value, ensure_ascii=True).encode()
    if not any(UNPAIRED.search(text) for text in all_texts(value)):
        assert storable(body) == (body, 0)


@pytest.mark.parametrize(
    "number", ["1e400", "0.1000000000000000000001", "1" * 400, "-0", "1E+2", "12345678901234567.89"]
)
def test_numbers_keep_every_character(number: str) -> None:
    body = f'{{\n"note": "\\u0000",\n"value": {number}\n}}'.encode()

    assert storable(body) == (f'{{"note":"\\ufffd","value":{number}}}'.encode(), 1)


@pytest.mark.parametrize(
    ("body", "expected", "count"),
    [
        (rb'"\u0000"', rb'"\ufffd"', 1),
        (rb'"\\u0000"', rb'"\\u0000"', 0),
        (rb'"\\\u0000"', rb'"\\\ufffd"', 1),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"', 0),
        (rb'"\uD83D\uDE00\uD83D"', rb'"\uD83D\uDE00\ufffd"', 1),
        (rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"', 2),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"', 1),
        (rb'"\ud83dx"', rb'"\ufffdx"', 1),
        (rb'"\ud83d\\ude00"', rb'"\ufffd\\ude00"', 1),
    ],
)
def test_escapes(body: bytes, expected: bytes, count: int) -> None:
    assert storable(body) == (expected, count)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\x1b[31m\u2028\0\u202e", r"a b\x1b[31m \x00\u202e"),
        ("a\ud800", r"a\ud800"),
        ("  a   b ", "a b"),
        ("é😀", "é😀"),
        ("é\0", r"é\x00"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
        ("\x7f" * 200, r"\x7f" * 74 + r"\x7" + "…"),
    ],
)
def test_a_quoted_text_is_one_short_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


@given(st.lists(st.text()), st.integers(0, 2048))
def test_texts_in_utf_8_are_left_byte_for_byte(texts: list[str], padding: int) -> None:
    body = json.dumps(["é€😀", *texts, "x" * padding, "é€😀"], ensure_ascii=False).encode()
    if b"\\u0000" not in body:
        assert storable(body) == (body, 0)


@pytest.mark.parametrize("padding", range(2040, 2050))
def test_a_character_between_two_pieces_is_one(padding: int) -> None:
    body = ('"' + "x" * padding + "😀" * 1024 + '"').encode()

    assert storable(body) == (body, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b'"\xe2\x82',
        b"\x82 ",
        b'"\xed\xa0\x80"',
        b"x" * 2048 + b"\xff",
        b"x" * 5000 + b"\xff" + b"x" * 5000,
        b"x" * 5000 + b"\xc3",
    ],
)
def test_other_encodings_are_refused(body: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        storable(body)


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
def test_line_breaks_between_values_go(line_break: str) -> None:
    body = f'[1.0,{line_break}"a\\n",{line_break}{{}}]'.encode()

    assert storable(body) == (rb'[1.0,"a\n",{}]', 0)
