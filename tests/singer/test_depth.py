"""Rows nested too deeply are found, whatever stands around them; everything else is left alone."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.singer.depth import DEEPEST, cut

TEXTS = st.text() | st.sampled_from(['"', "\\", '\\"', "]}", '{"data":[', "[["])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
DEEP = {"open": "[" * 3 * DEEPEST + "]" * 3 * DEEPEST, "named": '{"a":' * 2 * DEEPEST + "1" + "}" * 2 * DEEPEST}


@given(page=VALUES, indent=st.sampled_from([None, 1]))
def test_what_is_not_too_deep_is_left_byte_for_byte(page: Any, indent: int | None) -> None:
    body = json.dumps({"data": page, "more": page}, indent=indent).encode()

    assert cut(body) == (body, set())


@given(
    rows=st.lists(VALUES | st.sampled_from(sorted(DEEP)).map(lambda kind: f"deep {kind}"), max_size=5), before=VALUES
)
def test_rows_that_are_too_deep_are_found_and_the_others_kept(rows: list[Any], before: Any) -> None:
    deep = {f"deep {kind}": f'{{"id":"x","deep":{text},"after":[1]}}' for kind, text in DEEP.items()}
    texts = [deep[row] if isinstance(row, str) and row in deep else json.dumps(row) for row in rows]
    body = f'{{"before":{json.dumps(before)},"data":[{",".join(texts)}],"pagination":{{"x":[1,2]}}}}'.encode()

    shallow, found = cut(body)

    assert found == {number for number, row in enumerate(rows) if isinstance(row, str) and row in deep}
    page = json.loads(shallow)
    assert (page["before"], page["pagination"]) == (before, {"x": [1, 2]})
    for number, (row, read) in enumerate(zip(rows, page["data"], strict=True)):
        assert read["id"] == "x" if number in found else read == row


@given(body=st.binary() | st.from_regex(rb'[\[\]{}",:a\\]{0,60}'))
def test_what_is_no_json_is_no_obstacle(body: bytes) -> None:
    assert cut(body) == (body, set())
