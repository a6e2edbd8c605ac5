"""Last pages of every size, one row above all: each is asked for once, and each item written once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox import Sandbox
    from tests.conftest import Run

ITEMS = "/v3/export-items"


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize(("items", "pages"), [(10, 1), (11, 2), (39, 4), (40, 4), (41, 5)])
def test_a_last_page_of_any_size_is_read_once(
    pleo: Sandbox, run_tap: Callable[..., Run], items: int, pages: int, at_once: int
) -> None:
    pleo.max_limit = 10
    job = pleo.add_job(items=items)

    run = run_tap(page_size=10, max_concurrent_requests=at_once)

    assert (run.returncode, run.warnings) == (0, [])
    expected = [item["accountingEntryId"] for item in job.items]
    assert [record["accountingEntryId"] for record in run.records()] == expected
    assert [record["accountingEntryId"] for record in run.records("export_job_items")] == expected
    assert len(pleo.requests_to(ITEMS)) == pages
    assert run.bookmark(job.id)["page"] == pages
