"""How the target reads job items: in large pages where Pleo bears them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.helpers.target import statuses, updates

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox import Sandbox
    from tests.conftest import Run


def test_a_page_size_that_pleo_refuses_is_asked_for_once_in_a_run(pleo: Sandbox, report: Callable[..., Run]) -> None:
    jobs = [pleo.add_job(items=150, status="in_progress") for _ in range(2)]
    pleo.max_limit, pleo.max_limit_policy = 100, "refuse"

    run = report(*(updates(job, range(150)) for job in jobs))

    assert run.returncode == 0, run.stderr
    assert [statuses(job) for job in jobs] == [["successful"] * 150] * 2
    asked = [
        (request.query["limit"][0], request.status)
        for job in jobs
        for request in pleo.requests_to(f"/v3/export-jobs/{job.id}/items")
        if request.method == "GET"
    ]
    assert asked == [("1000", 400), *[("100", 200)] * 4]
