"""SIGKILL at random moments: the runs together deliver every item."""

from __future__ import annotations

import fcntl
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Outputs, Run, finish
from tests.helpers.processes import read_until
from tests.helpers.randomness import replayable_random

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.tap.conftest import RunTap, StartTap

PAGE = 10
PAGES = 40
KILLS = 5
SMALLEST_PIPE = 4096


@pytest.mark.parametrize("at_once", [1, 4])
def test_killed_five_times_a_run_delivers_every_item(
    pleo: Sandbox, start_tap: StartTap, run_tap: RunTap, outputs: Outputs, at_once: int
) -> None:
    job = pleo.add_job(items=PAGE * PAGES)
    settings = {"page_size": PAGE, "max_concurrent_requests": at_once}
    rng = replayable_random()
    runs: list[Run] = []
    state: dict[str, Any] = {}

    for kill in range(KILLS):
        process = start_tap(state=state, **settings)
        # Two records fill it: the run cannot end before it is killed.
        fcntl.fcntl(process.stdout or 0, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
        # Each run may get on by its share of what the runs before it have left, and leaves one for the run to the end.
        left = PAGE * PAGES - sum(len(run.records()) for run in runs)
        moment = rng.randrange(1, left // (KILLS - kill + 1))
        head = read_until(process.stdout, b'"stream":"export_items","record"', moment)
        process.kill()
        run = finish(process, outputs)
        runs.append(Run(run.returncode, head + run.stdout, run.stderr))
        sys.stdout.write(f"kill {kill}: at record {moment}, {len(runs[-1].records())} had left the tap\n")
        state = runs[-1].states[-1] if runs[-1].states else state
    runs.append(run_tap(state=state, **settings))

    assert [run.returncode for run in runs] == [-9] * KILLS + [0]
    delivered = Counter(record["accountingEntryId"] for run in runs for record in run.records())
    assert set(delivered) == {item["accountingEntryId"] for item in job.items}
    assert delivered.total() - len(delivered) <= PAGE * KILLS
    assert runs[-1].bookmark(job.id)["complete"] is True
    assert runs[-1].bookmark(job.id)["items"] == PAGE * PAGES


def test_a_line_torn_by_a_kill_is_not_a_message(pleo: Sandbox, start_tap: StartTap, outputs: Outputs) -> None:
    # Lines longer than the pipe: the kill finds the tap inside one.
    job = pleo.add_job(items=3)
    for item in job.items:
        item["note"] = "x" * 300_000
    process = start_tap()
    head = read_until(process.stdout, b'"stream":"export_items","record"')
    process.kill()

    run = finish(process, outputs)

    *whole, torn = (head + run.stdout).split(b"\n")
    assert all(isinstance(json.loads(line), dict) for line in whole)
    assert torn.startswith(b'{"type":"RECORD","stream":"export_items"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(torn)
