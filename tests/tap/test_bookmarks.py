"""Progress to Singer state and back, for any state."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.tap.bookmarks import Bookmarks
from tap_pleo_export.tap.completeness import JobProgress
from tap_pleo_export.tap.job_item_ids import DIGEST_MODULUS

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
def test_any_json_state_can_be_read_and_written_again(state: Any) -> None:
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

    assert bookmarks.get(first) is None
    assert first not in json.dumps(bookmarks.to_state())
    assert len(bookmarks) == len(progress) - 1


JOB = "0FA07A3F-2E29-4065-AFA2-31E959ACDD98"
ENTRY: dict[str, Any] = {
    "context": {"jobId": JOB},
    "page": 3,
    "cursor": "MFRGG===",
    "page_size": 100,
    "items": 300,
    "digest": "00ff",
    "complete": False,
}


def state_of(*entries: Any) -> dict[str, Any]:
    return {"bookmarks": {"export_items": {"partitions": list(entries)}}}


def test_a_job_is_known_by_its_id_in_any_case() -> None:
    bookmarks = Bookmarks(state_of(ENTRY))

    assert bookmarks.get(JOB)
    assert bookmarks.get("another") is None
    assert bookmarks.job_ids() == [JOB]
    assert bookmarks.get(JOB.lower()) == JobProgress(page_size=100, page=3, cursor="MFRGG===", items=300, digest=255)
    bookmarks.set(JOB.lower(), JobProgress(page_size=100, page=4))
    assert bookmarks.job_ids() == [JOB.lower()]


def test_only_a_job_noted_as_complete_is() -> None:
    bookmarks = Bookmarks(state_of(ENTRY))

    assert not bookmarks.is_complete(JOB)
    assert not bookmarks.is_complete("another")
    bookmarks.set(JOB, JobProgress(page_size=100, page=3).completed())
    assert bookmarks.is_complete(JOB.lower())


def test_a_job_that_is_unknown_can_be_dropped() -> None:
    bookmarks = Bookmarks(state_of(ENTRY))

    bookmarks.drop("another")

    assert bookmarks.to_state() == state_of(ENTRY | {"digest": f"{255:032x}"})


def test_no_jobs_are_written_as_an_empty_list() -> None:
    assert Bookmarks({}).to_state() == state_of()


@pytest.mark.parametrize(
    "change",
    [
        *({name: number} for name in ("page", "page_size") for number in (1, 2**53 - 1)),
        *({"items": number} for number in (0, 2**53 - 1)),
        *({"cursor": cursor} for cursor in (None, "!~")),
        *({"digest": digest} for digest in ("0", "f" * 32)),
        *({"context": {"jobId": id_}} for id_ in ("a", "0-Z" + "z" * 61)),
        {"complete": True},
        {"more": 1},
    ],
)
def test_an_entry_is_taken_as_it_is(change: dict[str, Any]) -> None:
    bookmarks = Bookmarks(state_of(ENTRY | change))

    wanted = {name: value for name, value in (ENTRY | change).items() if name != "more"}
    wanted["digest"] = wanted["digest"].rjust(32, "0")
    assert bookmarks.to_state() == state_of(wanted)
    assert bookmarks.unreadable == 0


@pytest.mark.parametrize(
    "change",
    [
        *({name: number} for name in ("page", "page_size") for number in (0, -1, True, 2**53, 1.0, "1", None)),
        *({"items": number} for number in (-1, True, False, 2**53, 1.0, "1", None)),
        *({"cursor": cursor} for cursor in ("", "a b", "a\n", "ä", 1)),
        *({"digest": digest} for digest in ("", "f" * 33, "0xff", "FF", "g", 1, None)),
        *({"complete": complete} for complete in (0, 1, "true", None)),
        *({"context": context} for context in (None, {}, {"jobId": 1}, {"jobId": ""}, {"jobId": "z" * 65})),
        *({"context": {"jobId": id_}} for id_ in ("../x", "a/b", "a?b", "a%2e", "a\n", "ä")),
    ],
)
def test_an_invalid_entry_is_dropped_and_counted(change: dict[str, Any]) -> None:
    bookmarks = Bookmarks(state_of(ENTRY | change, ENTRY, None))

    assert bookmarks.job_ids() == [JOB]
    assert bookmarks.unreadable == 2


@pytest.mark.parametrize("member", ENTRY)
def test_an_entry_lacks_nothing(member: str) -> None:
    bookmarks = Bookmarks(state_of({name: value for name, value in ENTRY.items() if name != member}))

    assert (len(bookmarks), bookmarks.unreadable) == (0, 1)


ABSENT: list[Any] = [None, {}, {"partitions": None}, {"partitions": []}]
FOREIGN: list[Any] = [7, {"partitions": {}}, {"partitions": "x"}]


@pytest.mark.parametrize(
    ("state", "unreadable"),
    [
        (None, 0),
        ({}, 0),
        ({"bookmarks": None}, 0),
        ({"bookmarks": {}}, 0),
        ({"bookmarks": {"export_jobs": {"partitions": [1]}}}, 0),
        *[({"bookmarks": {"export_items": absent}}, 0) for absent in ABSENT],
        ("state", 1),
        ([], 1),
        ({"bookmarks": []}, 1),
        *[({"bookmarks": {"export_items": foreign}}, 1) for foreign in FOREIGN],
        (state_of(1, None, []), 3),
    ],
)
def test_absent_state_is_accepted_and_foreign_state_is_counted(state: object, unreadable: int) -> None:
    bookmarks = Bookmarks(state)

    assert (len(bookmarks), bookmarks.unreadable) == (0, unreadable)
