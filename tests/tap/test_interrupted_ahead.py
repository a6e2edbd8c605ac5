"""Stopped while four pages are in flight: what was written is not asked for again, and nothing beyond need is."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from sandbox import Fault, Sandbox
from tests.conftest import Outputs, Run, finish, partitions

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

ITEMS = "/v3/export-items"
PAGES = 9
AT_ONCE = 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_with_four_requests_in_flight_it_goes_on_where_it_was(
    pleo: Sandbox,
    start_tap: Callable[..., subprocess.Popen[bytes]],
    run_tap: Callable[..., Run],
    outputs: Outputs,
    number: signal.Signals,
) -> None:
    done, young = pleo.add_job(items=10 * PAGES), pleo.add_job(items=10)
    settings = {"page_size": 10, "max_concurrent_requests": AT_ONCE}
    processes: list[subprocess.Popen[bytes]] = []
    # Four answers wait for each other; the last to come sends the signal.
    together = threading.Barrier(AT_ONCE, action=lambda: processes[0].send_signal(number), timeout=30)
    pleo.add_fault(Fault(path=ITEMS, nth=2, times=AT_ONCE, kind="callback", callback=lambda _: together.wait()))

    processes.append(start_tap(**settings))
    stopped = finish(processes[0], outputs)
    first = len(pleo.requests_to(ITEMS))
    # The first page may still be in hand, not written, when the signal comes.
    pages = next((each["page"] for each in partitions(stopped.state) if each["context"]["jobId"] == done.id), 0)
    pleo.faults.clear()
    rest = run_tap(state=stopped.state, **settings)

    assert (stopped.returncode, rest.returncode) == (128 + number, 0), stopped.stderr
    assert pages <= first <= pages + 1 + AT_ONCE
    assert len(pleo.requests_to(ITEMS)) - first == PAGES - pages + 1
    assert [record["accountingEntryId"] for record in stopped.records() + rest.records()] == [
        item["accountingEntryId"] for job in (done, young) for item in job.items
    ]
