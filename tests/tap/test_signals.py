"""Signals: SIGTERM and SIGINT are prompt while waiting and never cut a page; SIGKILL loses no item."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from tests.conftest import Outputs, Run, finish, partitions
from tests.helpers.processes import BOTH_SIGNALS, Stop, read_until
from tests.helpers.randomness import replayable_random
from tests.tap.conftest import RunTap, StartTap

ITEMS = "/v3/export-items"


@pytest.fixture
def config(config: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    return config | {"page_size": 10} | getattr(request, "param", {})


def stopped_cleanly(run: Run, code: int) -> None:
    """Check the outcome of any signal at any moment."""
    assert run.returncode == code
    assert run.stdout == b"" or run.stdout.endswith(b"\n")
    for line in run.stdout.splitlines():
        json.loads(line)
    # No export item waits for its STATE; the stream may just have begun.
    last_state = max(n for n, message in enumerate(run.messages) if message["type"] == "STATE")
    assert "export_items" not in {m["stream"] for m in run.messages[last_state + 1 :] if m["type"] == "RECORD"}
    reported = {entry["context"]["jobId"]: entry["items"] for entry in partitions(run.state)}
    written = [record["jobId"] for record in run.records()]
    assert reported == {job_id: written.count(job_id) for job_id in reported}
    assert set(written) <= set(reported)
    assert "Traceback" not in run.stderr


def and_resumes(run: Run, run_tap: RunTap, expected: list[str]) -> None:
    """Assert that the next run brings exactly the rest."""
    rest = run_tap(state=run.state)
    assert rest.returncode == 0
    assert [r["accountingEntryId"] for r in run.records() + rest.records()] == expected


@BOTH_SIGNALS
@pytest.mark.parametrize("config", [{"max_concurrent_requests": number} for number in (1, 4)], indirect=True)
def test_while_waiting_for_an_answer(pleo: Sandbox, disturb: RunTap, run_tap: RunTap, stop: Stop) -> None:
    job = pleo.add_job(items=50)

    run = disturb(stop.signal, path=ITEMS, nth=3)

    stopped_cleanly(run, stop.code)
    assert len(run.records()) < 50
    and_resumes(run, run_tap, [item["accountingEntryId"] for item in job.items])


@BOTH_SIGNALS
def test_while_waiting_as_long_as_asked(pleo: Sandbox, start_tap: StartTap, outputs: Outputs, stop: Stop) -> None:
    pleo.add_job(items=30)
    pleo.add_fault(Fault(path=ITEMS, nth=2, times=9, status=429, headers={"Retry-After": "200"}))
    process = start_tap()

    read_until(process.stderr, b"in 200.0 s")
    process.send_signal(stop.signal)
    run = finish(process, outputs)

    stopped_cleanly(run, stop.code)
    assert len(run.records()) <= 10


def test_while_waiting_for_the_budget(pleo: Sandbox, start_tap: StartTap, outputs: Outputs) -> None:
    pleo.add_job(items=30)
    process = start_tap(max_requests_per_minute=3)

    read_until(process.stderr, b"Request budget used up (max_requests_per_minute): waiting ")
    process.send_signal(signal.SIGTERM)
    run = finish(process, outputs)

    stopped_cleanly(run, 143)
    assert len(pleo.requests) == 3


@BOTH_SIGNALS
@pytest.mark.parametrize("config", [{"page_size": 100}], indirect=True)
def test_while_a_slow_reader_delays_a_page(
    pleo: Sandbox, start_tap: StartTap, run_tap: RunTap, outputs: Outputs, stop: Stop
) -> None:
    # A page of some 250 KB: the pipe takes 64 KB of it.
    job = pleo.add_job(items=200)
    process = start_tap()
    head = read_until(process.stdout, b'"export_items","record"')
    process.send_signal(stop.signal)

    run = finish(process, outputs)

    run = Run(run.returncode, head + run.stdout, run.stderr)
    # The tap was in the middle of the first page, and finished it.
    assert len(run.records()) == 100
    assert partitions(run.state)[0]["page"] == 1
    stopped_cleanly(run, stop.code)
    and_resumes(run, run_tap, [item["accountingEntryId"] for item in job.items])


def test_twice_at_once_as_process_groups_do(pleo: Sandbox, disturb: RunTap) -> None:
    pleo.add_job(items=50)

    # Stopped meanwhile, so that it finds both.
    run = disturb(signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT, path=ITEMS, nth=2)

    stopped_cleanly(run, 130)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_anything_has_begun_ends_it_in_silence(number: signal.Signals) -> None:
    program = f"import os, tap_pleo_export.commands; os.kill(os.getpid(), {number:d})"

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)

    assert (ended.returncode, ended.stderr) == (128 + number, b"")


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
        # Each run reads its share of the rest at most, so that the last run has one left.
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


def test_killed_while_an_ended_job_is_emitted_for_the_last_time(
    pleo: Sandbox, start_tap: StartTap, run_tap: RunTap, outputs: Outputs
) -> None:
    job = pleo.add_job(items=PAGE * PAGES)
    state = run_tap().state
    job.finish("failed", pleo.now(), "canceled_by_user", "No")
    rng = replayable_random()

    for marker, most in ((b'"stream":"export_jobs","record"', 1), (b'"stream":"export_job_items","record"', 350)):
        process = start_tap(state=state)
        # What remains does not fit in it: the state cannot be written before the kill.
        fcntl.fcntl(process.stdout or 0, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
        head = read_until(process.stdout, marker, rng.randint(1, most))
        process.kill()
        run = finish(process, outputs)
        run = Run(run.returncode, head + run.stdout, run.stderr)
        assert run.returncode == -signal.SIGKILL
        assert [record["status"] for record in run.records("export_jobs")] == ["failed"]
        state = run.states[-1] if run.states else state
        assert [entry["context"]["jobId"] for entry in partitions(state)] == [job.id]

    last = run_tap(state=state)
    assert last.returncode == 0
    assert [record["status"] for record in last.records("export_jobs")] == ["failed"]
    assert [record["status"] for record in last.records("export_job_items")] == ["abandoned"] * PAGE * PAGES
    assert partitions(last.state) == []
