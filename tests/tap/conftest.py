"""Fixtures for tests of the tap as a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Run

ITEMS = "/v3/export-items"


@pytest.fixture
def stop_at_page(pleo: Sandbox, run_tap: Callable[..., Run]) -> Callable[..., Run]:
    """Run the tap until Pleo fails on a page of export items."""

    def run(number: int, **options: Any) -> Run:
        fault = pleo.add_fault(Fault(path=ITEMS, nth=number, status=503))
        stopped = run_tap(**options)
        pleo.faults.remove(fault)
        assert stopped.returncode == 1
        return stopped

    return run
