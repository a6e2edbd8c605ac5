from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from sandbox.behaviour import Behaviour
from sandbox.conformance import violations
from sandbox.pages import Page, paginate
from sandbox.problems import Problem

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.sandbox.conftest import Client

ROWS = st.integers(0, 40).map(lambda size: list(range(size)))
LIMITS = st.integers(1, 12)


def ask(rows: list[int], rules: Behaviour, **query: Any) -> Page[int]:
    args = MultiDict({name: str(value) for name, value in query.items()})
    page = paginate(rows, args, rules, "a listing", rules.empty_page_at)
    assert violations("CursorPageInfo", page.info) == []
    return page


def walk(rows: list[int], rules: Behaviour, limit: int) -> list[Page[int]]:
    pages = [ask(rows, rules, limit=limit)]
    while pages[-1].info["hasNextPage"]:
        pages.append(ask(rows, rules, limit=limit, after=pages[-1].info["endCursor"]))
    return pages


@given(rows=ROWS, limit=LIMITS, empty=st.sets(st.integers(1, 6)), last=st.booleans())
def test_walking_forward_meets_every_row_once_in_order(
    rows: list[int], limit: int, empty: set[int], last: bool
) -> None:
    pages = walk(rows, Behaviour(empty_page_at=empty, omit_last_cursor=last), limit)
    assert [row for page in pages for row in page.rows] == rows
    for number, page in enumerate(pages[:-1], 1):
        assert len(page.rows) == (0 if number in empty else limit)
        assert re.fullmatch(r"[A-Z2-7=~]+", page.info["endCursor"])


@given(rows=ROWS, limit=LIMITS)
def test_walking_backward_from_the_end_meets_every_row_once(rows: list[int], limit: int) -> None:
    page = walk(rows, Behaviour(), limit)[-1]
    found = list(page.rows)
    while page.info["hasPreviousPage"]:
        page = ask(rows, Behaviour(), limit=limit, before=page.info["startCursor"])
        found = [*page.rows, *found]
    assert found == rows


@given(rows=ROWS, limit=LIMITS)
def test_offsets_and_cursors_cut_the_same_pages(rows: list[int], limit: int) -> None:
    by_cursor = [page.rows for page in walk(rows, Behaviour(), limit)]
    by_offset = [ask(rows, Behaviour(), limit=limit, offset=limit * number).rows for number in range(len(by_cursor))]
    assert by_offset == by_cursor


@pytest.mark.parametrize(
    "query",
    [
        {"after": "A", "offset": "0"},
        {"after": "A", "before": "A"},
        {"before": "A", "offset": "0"},
        {"after": "no cursor"},
        {"limit": "-1"},
        {"limit": "many"},
        {"offset": "1.5"},
        {"sorting_keys": "date"},
        {"sorting_keys": "date", "sorting_order": "UP"},
    ],
)
def test_contradictory_or_malformed_page_parameters_are_400(query: dict[str, str]) -> None:
    with pytest.raises(Problem) as refused:
        paginate([1, 2], MultiDict(query), Behaviour(), "a listing")
    assert refused.value.status == 400


def test_a_cursor_of_another_listing_is_400() -> None:
    cursor = ask([1, 2], Behaviour(), limit=1).info["endCursor"]
    with pytest.raises(Problem):
        paginate([1, 2], MultiDict({"after": cursor}), Behaviour(), "another listing")


def test_page_sizes() -> None:
    rows = list(range(30))
    rules = Behaviour(default_limit=7, max_limit=10)
    assert len(ask(rows, rules).rows) == 7
    assert len(ask(rows, rules, limit=20).rows) == 10
    assert ask(rows, rules, limit=20).info["currentRequestPagination"]["limit"] == 10
    rules.max_limit_policy = "refuse"
    with pytest.raises(Problem):
        ask(rows, rules, limit=11)
    assert ask(rows, rules, limit=0).info["hasNextPage"] is True


def test_optional_members_of_the_page_object() -> None:
    rules = Behaviour(send_total=False, omit_last_cursor=True)
    info = ask([1], rules).info
    assert "total" not in info
    assert "endCursor" not in info
    rules.send_total, rules.omit_last_cursor = True, False
    info = ask([1], rules).info
    assert info["total"] == 1
    assert "endCursor" in info


def test_a_looping_cursor_never_advances() -> None:
    rules = Behaviour(loop_cursor=True)
    first = ask([1, 2, 3], rules, limit=1).info["endCursor"]
    second = ask([1, 2, 3], rules, limit=1, after=first).info
    assert (second["endCursor"], second["hasNextPage"]) == (first, True)


def test_rejected_cursors_are_400(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=3)
    cursor = client.items(job, limit=1).json()["pagination"]["endCursor"]
    assert client.items(job, limit=1, after=cursor).status_code == 200
    pleo.reject_cursors = True
    assert client.items(job, limit=1, after=cursor).status_code == 400


def test_pages_fit_the_wire_schema_and_echo_the_request(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=5)
    pages = client.walk("/v3/export-items", job_id=job.id, limit=2)
    assert [len(page["data"]) for page in pages] == [2, 2, 1]
    assert pages[1]["pagination"]["currentRequestPagination"] == {
        "parameters": {"job_id": [job.id]},
        "after": pages[0]["pagination"]["endCursor"],
        "limit": 2,
        "sortingKeys": [],
        "sortingOrder": [],
    }
    for page in pages:
        assert violations("CursorPaginatedResponseExportItemV3", page) == []
    control = client.get(f"/v3/export-jobs/{job.id}/items").json()
    assert violations("CursorPaginatedResponseExportJobItemV3", control) == []
    assert violations("CursorPaginatedResponseExportJobV3", client.get("/v3/export-jobs").json()) == []


def test_the_data_layer_may_have_another_order(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=20)
    pleo.shuffle_items = True
    pages = client.walk("/v3/export-items", job_id=job.id, limit=6)
    ids = [item["accountingEntryId"] for page in pages for item in page["data"]]
    assert ids != list(job.item_statuses)
    assert sorted(ids) == sorted(job.item_statuses)
