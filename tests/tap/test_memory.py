"""Memory and state stay flat; `make soak` measures the same with 200,000 items, and with 2,000 export jobs."""

from __future__ import annotations

import pytest

from tools.bench.flat import MAX_MIB, measure_apart


@pytest.mark.parametrize(("items", "jobs"), [(60_000, 1), (5_000, 1_000)])
def test_memory_and_state_stay_flat(items: int, jobs: int) -> None:
    took = measure_apart(items, jobs)

    assert (took["exit"], took["items"]) == (0, items)
    assert took["peak_mib"] <= MAX_MIB
    assert 0 < took["state"] < took["record"]
