"""Two targets at once that report one entry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from sandbox import Fault, Sandbox
from tests.conftest import Outputs
from tests.helpers.target import SCHEMAS, feed, said, statuses, update
from tests.target.conftest import Start

AT_ONCE = 2


@pytest.mark.parametrize("ids", [("JE-1", "JE-2"), ("JE-1", "JE-1")], ids=["booked twice", "the same result"])
def test_external_ids_that_differ_are_found_out(
    pleo: Sandbox, start: Start, outputs: Outputs, ids: tuple[str, str]
) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    items = f"/v3/export-jobs/{job.id}/items"
    together = Barrier(AT_ONCE, timeout=30)
    # Both write before either has read again.
    for method, nth in (("GET", 1), ("PUT", 1), ("GET", 1 + AT_ONCE)):
        fault = Fault(path=items, method=method, nth=nth, times=AT_ONCE, kind="callback")
        fault.callback = lambda _: together.wait()
        pleo.add_fault(fault)
    inputs = [SCHEMAS + update(job, 0, externalId=external_id) for external_id in ids]
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(feed, [start(complete_jobs=True) for _ in ids], inputs, [outputs] * AT_ONCE))

    assert statuses(job) == ["successful"]
    assert job.status == "completed"
    known = job.outcomes[next(iter(job.item_statuses))]["externalId"]
    assert [run.returncode for run in runs] == [int(own != known) for own in ids]
    for run, own in zip(runs, ids, strict=True):
        assert all(f"'{known}'" in text and f"'{own}'" in text for text in said(run)), run.stderr
        assert bool(said(run)) == (own != known)
