"""Progress to Singer state and back, whatever the state holds."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.reading.bookmarks import Bookmarks
from tap_pleo_export.reading.completeness import JobProgress
from tap_pleo_export.reading.ids import DIGEST_MODULUS

NAMES = st.sampled_from(
    ["bookmarks", "export_items", "partitions", "context", "jobId", "page", "cursor", "page_size", "items", "digest"]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
ENTRIES = st.fixed_dictionaries(
    {
        "context": st.fixed_dictionaries({"jobId": st.uuids().map(str) | JSON}),
        "page": st.integers(1, 5) | JSON,
        "cursor": st.sampled_from([None, "MFRGG==="]) | JSON,
        "page_size": st.just(100) | JSON,
        "items": st.integers(0, 500) | JSON,
        "digest": st.just("00ff") | JSON,
        "complete": st.booleans() | JSON,
    },
    optional={"extra": JSON},
)
STATES = JSON | st.lists(ENTRIES | JSON).map(lambda e: {"bookmarks": {"export_items": {"partitions": e}}})
PROGRESS = st.builds(
    JobProgress,
    page_size=st.integers(1, 1000),
    page=st.integers(1, 10**6),
    cursor=st.none() | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567=~", min_size=1),
    items=st.integers(0, 10**9),
    digest=st.integers(0, DIGEST_MODULUS - 1),
    complete=st.booleans(),
)


@given(STATES)
def test_any_json_is_survived_and_what_is_kept_can_be_written(state: Any) -> None:
    bookmarks = Bookmarks(state)

    written = msgspec.json.decode(msgspec.json.encode(bookmarks.to_state()))

    again = Bookmarks(written)
    assert again.to_state() == written
    assert again.unreadable == 0
    assert len(again) == len(bookmarks)


@given(st.dictionaries(st.uuids().map(str), PROGRESS))
def test_progress_comes_back_as_it_was(progress: dict[str, JobProgress]) -> None:
    bookmarks = Bookmarks({})
    for job_id, one in progress.items():
        bookmarks.set(job_id, one)

    again = Bookmarks(json.loads(json.dumps(bookmarks.to_state())))

    assert {job_id: again.get(job_id.upper()) for job_id in again.job_ids()} == progress
    assert again.unreadable == 0


@given(st.dictionaries(st.uuids().map(str), PROGRESS, min_size=1))
def test_a_dropped_job_leaves_no_trace(progress: dict[str, JobProgress]) -> None:
    bookmarks = Bookmarks({})
    for job_id, one in progress.items():
        bookmarks.set(job_id, one)
    first = next(iter(progress))

    bookmarks.drop(first.upper())

    assert first not in bookmarks
    assert first not in json.dumps(bookmarks.to_state())
    assert len(bookmarks) == len(progress) - 1
