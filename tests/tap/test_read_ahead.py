"""Several pages in flight yield the same as one at a time; reading ahead ends where the answers do not fit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from tests.tap.conftest import RunTap

ITEMS = "/v3/export-items"


def offsets(pleo: Sandbox) -> list[str]:
    return [request.query["offset"][0] for request in pleo.requests_to(ITEMS) if "offset" in request.query]


def rewrite(nth: int | None, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Fault:
    return Fault(path=ITEMS, kind="rewrite", rewrite=change, nth=nth)


def with_total(total: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda page: page | {"pagination": page["pagination"] | {"total": total}}


class InFlight:
    """Counts the requests that are in flight at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = self.most = 0

    def arrive(self, _: Sandbox) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def leave_after(self, seconds: float) -> Callable[[Sandbox], None]:
        def leave(_: Sandbox) -> None:
            # In the meantime further requests would arrive.
            threading.Event().wait(seconds)
            with self._lock:
                self._now -= 1

        return leave


def test_four_requests_are_in_flight_and_pages_keep_their_order(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=85)
    # Four answers wait for each other: with fewer in flight none would ever come.
    together = threading.Barrier(4, timeout=30)
    waiting = Fault(path=ITEMS, nth=2, times=4, kind="callback", callback=lambda _: together.wait())
    pleo.add_fault(waiting)

    run = run_tap(page_size=10, max_concurrent_requests=4)

    assert run.returncode == 0, run.stderr
    assert [r["accountingEntryId"] for r in run.records()] == [item["accountingEntryId"] for item in job.items]
    assert sorted(offsets(pleo), key=int) == [str(offset) for offset in range(10, 85, 10)]
    assert [entry["page"] for state in run.states for entry in state["bookmarks"]["export_items"]["partitions"]] == [
        *range(1, 10)
    ]


def test_idle_requests_fetch_export_items_while_the_last_job_items_are_awaited(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.max_limit = 10
    job = pleo.add_job(items=85)
    asked = threading.Event()
    waited: list[bool] = []
    pleo.add_fault(Fault(path=ITEMS, query={"offset": "10"}, kind="callback", callback=lambda _: asked.set()))

    def delay_job_items(offset: int, seconds: float, waited: list[bool]) -> None:
        def wait(_: Sandbox) -> None:
            waited.append(asked.wait(seconds))

        query = {"offset": str(offset)}
        pleo.add_fault(Fault(path=f"/v3/export-jobs/{job.id}/items", query=query, kind="callback", callback=wait))

    # Export items can be asked for when job items arrive, if the first page of export items is there by then: time for
    # that, and only then job items that do not come before they are asked for.
    for offset in range(10, 80, 10):
        delay_job_items(offset, 2, [])
    delay_job_items(80, 30, waited)

    run = run_tap(page_size=10, max_concurrent_requests=4)

    assert run.returncode == 0, run.stderr
    assert waited == [True]
    assert [r["accountingEntryId"] for r in run.records()] == [item["accountingEntryId"] for item in job.items]


def test_the_setting_bounds_the_requests_of_both_layers_together(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.max_limit = 10
    job = pleo.add_job(items=85)
    # Three answers wait for each other: with fewer in flight none would ever come.
    together = threading.Barrier(3, timeout=30)
    control = f"/v3/export-jobs/{job.id}/items"
    in_flight = InFlight()
    for path in (ITEMS, control):
        pleo.add_fault(Fault(path=path, kind="callback", callback=in_flight.arrive, nth=None))
    for offset in ("10", "20", "30"):
        query = {"offset": offset}
        pleo.add_fault(Fault(path=control, query=query, kind="callback", callback=lambda _: together.wait()))
    for path, latency in ((ITEMS, 0.1), (control, 0.02)):
        pleo.add_fault(Fault(path=path, kind="callback", callback=in_flight.leave_after(latency), nth=None))

    run = run_tap(page_size=10, max_concurrent_requests=3)

    assert run.returncode == 0, run.stderr
    assert in_flight.most == 3


MISFITS: dict[str, tuple[Fault, str]] = {
    "offset is refused": (
        Fault(path=ITEMS, query={"offset": "20"}, status=400, body={"type": "BAD_REQUEST"}, nth=None),
        "offset refused (400 BAD_REQUEST)",
    ),
    "the total was too small": (rewrite(None, with_total(30)), "is wrong about a next one"),
    "the total was too large": (rewrite(None, with_total(70)), "at offset 40 is wrong about a next one"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_page_that_does_not_fit_ends_the_reading_ahead(pleo: Sandbox, run_tap: RunTap, misfit: str) -> None:
    job = pleo.add_job(items=50)
    fault, reason = MISFITS[misfit]
    pleo.add_fault(fault)

    run = run_tap(page_size=10, max_concurrent_requests=2)

    assert run.returncode == 0, run.stderr
    assert [r["accountingEntryId"] for r in run.records()] == [item["accountingEntryId"] for item in job.items]
    (line,) = [line for line in run.warnings if "pages are read in turn from here on" in line]
    assert reason in line
    assert run.bookmark(job.id)["complete"] is True


def test_once_throttled_half_as_many_requests_are_in_flight(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=100)
    in_flight = InFlight()
    pleo.add_fault(Fault(path=ITEMS, status=429, headers={"Retry-After": "0"}))
    for callback in (in_flight.arrive, in_flight.leave_after(0.05)):
        pleo.add_fault(Fault(path=ITEMS, kind="callback", callback=callback, nth=None))

    run = run_tap(page_size=10, max_concurrent_requests=4)

    assert run.returncode == 0, run.stderr
    assert len(run.records()) == 100
    assert len(offsets(pleo)) == 9
    assert in_flight.most <= 2


def test_an_item_missed_while_reading_ahead_is_found_in_turn(pleo: Sandbox, run_tap: RunTap) -> None:
    """Between two pages an item slips to a place already read: counts and ids show it; then pages are read in turn."""
    job = pleo.add_job(items=30)
    stranger = pleo.add_job(items=1).items[0]

    def slip(page: dict[str, Any]) -> dict[str, Any]:
        return page | {"data": [stranger, *page["data"][1:]]}

    pleo.add_fault(Fault(path=ITEMS, kind="rewrite", rewrite=slip, query={"offset": "10"}, nth=None))

    run = run_tap(page_size=10, job_ids=[job.id])

    assert run.returncode == 0, run.stderr
    assert {item["accountingEntryId"] for item in job.items} <= {r["accountingEntryId"] for r in run.records()}
    assert any("It is read again from its first page" in line for line in run.warnings)
    assert run.bookmark(job.id)["complete"] is True
