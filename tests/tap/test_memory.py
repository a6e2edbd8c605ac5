"""Memory and state stay flat; `make soak` measures the same with 200,000 items, and with 2,000 export jobs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT, TIMEOUT
from tools.bench.flat import MAX_MIB


@pytest.mark.parametrize(("items", "jobs"), [(60_000, 1), (5_000, 1_000)])
def test_memory_and_state_stay_flat(items: int, jobs: int) -> None:
    command = [sys.executable, "-m", "tools.bench.flat", f"--items={items}", f"--jobs={jobs}"]

    printed = subprocess.run(command, stdout=subprocess.PIPE, cwd=CHECKOUT, check=True, timeout=4 * TIMEOUT).stdout

    took = json.loads(printed)
    assert (took["exit"], took["items"]) == (0, items)
    assert took["peak_mib"] <= MAX_MIB
    assert 0 < took["state"] < took["record"]
