"""Everything the sandbox serves conforms to the wire schemas of Pleo's OpenAPI documents."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from sandbox import Sandbox
from sandbox.behaviour import Behaviour
from sandbox.conformance import violations
from sandbox.kinds import HOSTILE, KINDS, SPENDING, VARIED
from sandbox.oddities import ODDITIES
from sandbox.pages import paginate
from tests.sandbox.conftest import Client, Clock


@pytest.mark.parametrize("world", ["demo", "varied", "settled", "settled_other_signs"])
def test_seeded_data_conforms(world: str) -> None:
    jobs = Sandbox.holding(world).jobs.values()

    for name, values in {
        "ExportJobV3": [job.record for job in jobs],
        "ExportItemV3": [item for job in jobs for item in job.items],
        "ExportJobItemV3": [job.row(entry) for job in jobs for entry in job.item_statuses],
    }.items():
        assert values
        assert [found for value in values if (found := violations(name, value))] == []


def test_every_oddity_is_seeded_and_only_hostile_ones_violate_the_schema(pleo: Sandbox) -> None:
    assert {oddity for kind in (*KINDS, *VARIED, *SPENDING, *HOSTILE) for oddity in kind.oddities} == set(ODDITIES)
    assert violations("ExportItemV3", pleo.add_job(items=1, kinds=HOSTILE).items[0])


@pytest.mark.parametrize("items", [0, 5])
def test_pages_conform(pleo: Sandbox, client: Client, items: int) -> None:
    job = pleo.add_job(items=items)

    for schema, page in {
        "CursorPaginatedResponseExportItemV3": client.items(job, limit=2),
        "CursorPaginatedResponseExportJobItemV3": client.get(f"/v3/export-jobs/{job.id}/items", offset=1),
        "CursorPaginatedResponseExportJobV3": client.get("/v3/export-jobs"),
    }.items():
        assert violations(schema, page.json()) == []


def test_companies_with_jobs_are_listed_once(pleo: Sandbox, client: Client) -> None:
    first = pleo.add_job(items=1).record["companyId"]
    second = pleo.add_job(items=1).record["companyId"]
    pleo.add_job(items=1, company_id=first.upper())

    companies = client.get("/v1/companies").json()["data"]

    assert [company["id"] for company in companies] == [first, second]
    assert violations("ExternalCompanyResponseModel", companies[0]) == []


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"subtype": None}, "$"),
        ({"amount": {"inSupplierCurrency": {"currency": "EUR", "value": "1"}}}, "$.amount"),
        ({"date": "YYYY-MM-DD"}, "$.date"),
        ({"accountingEntryId": "not-a-uuid"}, "$.accountingEntryId"),
        ({"vendor": {"id": "8eb648ab-464b-42a0-ba17-eda703657e33", "name": "x"}}, "$.vendor"),
    ],
)
def test_violations_are_found(pleo: Sandbox, change: dict[str, Any], at: str) -> None:
    item = pleo.add_job(items=1).items[0]

    assert any(found.startswith(at) for found in violations("ExportItemV3", item | change))


@given(
    rows=st.integers(0, 40).map(lambda size: list(range(size))),
    limit=st.integers(1, 12),
    empty=st.sets(st.integers(1, 6)),
    omit=st.booleans(),
)
def test_cursors_and_offsets_visit_every_row_once(rows: list[int], limit: int, empty: set[int], omit: bool) -> None:
    rules = Behaviour(empty_page_at=empty, omit_last_cursor=omit)
    found: list[int] = []
    info: dict[str, object] = {"hasNextPage": True}
    number = 0
    while info["hasNextPage"]:
        query = {"limit": str(limit)} | ({"after": str(info["endCursor"])} if number else {})
        page, info = paginate(rows, MultiDict(query), rules, "a listing", empty)
        assert violations("CursorPageInfo", info) == []
        found += page
        number += 1
    by_offset = [paginate(rows, MultiDict({"limit": "12", "offset": str(n)}), rules, "x").rows for n in (0, 12, 24, 36)]

    assert found == rows
    assert [row for page in by_offset for row in page] == rows


def test_numbers_keep_every_digit(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=len(KINDS))

    text = client.items(job, limit=1000).text

    for digits in ("1999.95", "0.1", "-0.005", "12345678901234567"):
        assert f'"value":{digits}}}' in text
    assert json.loads(text, parse_float=Decimal)["data"] == job.items


def test_the_seed_decides_all_data(clock: Clock) -> None:
    first, again, other = (Sandbox.demo(seed=seed, clock=clock) for seed in (7, 7, 8))

    assert [job.items for job in first.jobs.values()] == [job.items for job in again.jobs.values()]
    assert first.api_key == again.api_key
    assert not set(first.jobs) & set(other.jobs)
