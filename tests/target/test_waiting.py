"""Time: how long updates wait, signals at any moment, memory, budgets."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from typing import Any

import psutil
import pytest

from sandbox import Fault, Sandbox
from tests.conftest import Outputs, Run, finish
from tests.helpers.processes import BOTH_SIGNALS, Stop, read_until
from tests.helpers.target import (
    SCHEMAS,
    event,
    feed,
    passed_on,
    posts,
    puts,
    said,
    sizes,
    state,
    statuses,
    summary,
    update,
    updates,
    writes,
)
from tests.target.conftest import Start

ITEMS = "/v3/export-jobs/*/items"
DEADLINE = 30


def give(process: subprocess.Popen[bytes], *messages: bytes) -> None:
    """Write messages, and leave the input open."""
    assert process.stdin is not None
    process.stdin.write(b"".join(messages))
    process.stdin.flush()


def give_all(process: subprocess.Popen[bytes], *messages: bytes) -> None:
    """Write messages, and close the input."""
    give(process, *messages)
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None


def noticed(pleo: Sandbox, path: str = ITEMS, method: str = "PUT", nth: int = 1) -> threading.Event:
    """Return an event that is set when such a request arrives."""
    came = threading.Event()
    pleo.add_fault(Fault(path=path, method=method, nth=nth, kind="callback", callback=lambda _: came.set()))
    return came


def test_update_waits_at_most_five_seconds(pleo: Sandbox, start: Start, outputs: Outputs) -> None:
    job = pleo.add_job(items=3, status="in_progress")
    sent = noticed(pleo)
    process = start()
    # Nothing waits yet, so this state is passed on: the target is reading.
    give(process, SCHEMAS, state(-1))
    assert read_until(process.stdout, b"\n") == b"-1\n"
    begun = time.monotonic()
    give(process, update(job, 0), state(0))
    number = 0
    # States arrive a few times a second, until the request does.
    while not sent.wait(0.3):
        number += 1
        give(process, state(number))
        assert time.monotonic() - begun < DEADLINE
    waited = time.monotonic() - begun

    assert read_until(process.stdout, b"\n")
    run = feed(process, update(job, 1), outputs)

    assert 4.9 < waited < 15
    assert run.returncode == 0
    assert sizes(pleo) == [1, 1]


def test_full_batch_is_sent_and_acknowledged_at_once(pleo: Sandbox, start: Start, outputs: Outputs) -> None:
    job = pleo.add_job(items=3, status="in_progress")
    sent = noticed(pleo)
    process = start(batch_size=2)

    give(process, SCHEMAS, update(job, 0), state(1), update(job, 1), state(2))
    assert sent.wait(DEADLINE)
    assert read_until(process.stdout, b"2\n") in {b"1\n2\n", b"2\n"}
    assert feed(process, b"", outputs).returncode == 0


@BOTH_SIGNALS
def test_signal_waits_for_the_request_in_flight(pleo: Sandbox, start: Start, outputs: Outputs, stop: Stop) -> None:
    job, other = (pleo.add_job(items=2, status="in_progress") for _ in range(2))
    processes: list[subprocess.Popen[bytes]] = []
    pleo.add_fault(Fault(path=ITEMS, method="PUT", kind="delay", seconds=0.5))
    pleo.add_fault(
        Fault(path=ITEMS, method="PUT", kind="callback", callback=lambda _: processes[0].send_signal(stop.signal))
    )
    processes.append(start(batch_size=2))

    # At once: the target may have ended before a second piece is written.
    give(processes[0], SCHEMAS, update(other, 0), updates(job, (0, 1)), state(1), update(other, 1), state(2))
    run = finish(processes[0], outputs)

    assert run.returncode == stop.code
    assert (sizes(pleo), statuses(job), statuses(other)) == ([2], ["successful"] * 2, ["pending"] * 2)
    assert passed_on(run) == []
    assert summary(run) == "2 accepted, 0 already reported, 0 refused, 1 unsent; events: none"
    assert said(run) == []


@BOTH_SIGNALS
def test_signal_during_the_last_request_posts_no_event(
    pleo: Sandbox, start: Start, outputs: Outputs, stop: Stop
) -> None:
    job = pleo.add_job(items=2, status="in_progress")
    processes: list[subprocess.Popen[bytes]] = []
    pleo.add_fault(
        Fault(path=ITEMS, method="PUT", kind="callback", callback=lambda _: processes[0].send_signal(stop.signal))
    )
    processes.append(start())

    run = feed(processes[0], SCHEMAS + updates(job, (0, 1)) + state(1) + event(job, "completed") + state(2), outputs)

    assert run.returncode == stop.code
    assert (statuses(job), job.status, posts(pleo)) == (["successful"] * 2, "in_progress", [])
    assert passed_on(run) == [1]
    assert summary(run) == "2 accepted, 0 already reported, 0 refused, 1 unsent; events: none"


@BOTH_SIGNALS
def test_signal_ends_a_retry_wait(pleo: Sandbox, start: Start, outputs: Outputs, stop: Stop) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    pleo.add_fault(Fault(path=ITEMS, method="PUT", nth=None, status=429, headers={"Retry-After": "200"}))
    process = start()
    give_all(process, SCHEMAS, update(job, 0), state(1))

    read_until(process.stderr, b"next in 200.0 s")
    process.send_signal(stop.signal)
    before = time.monotonic()
    run = finish(process, outputs)

    assert time.monotonic() - before < 15
    assert (run.returncode, passed_on(run)) == (stop.code, [])
    assert summary(run).startswith("0 accepted, 0 already reported, 0 refused, 1 unsent")


def test_signal_ends_a_budget_wait(pleo: Sandbox, start: Start, outputs: Outputs) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    process = start(max_requests_per_minute=2)
    give_all(process, SCHEMAS, update(job, 0), state(1))

    read_until(process.stderr, b"Request budget used up (max_requests_per_minute): waiting ")
    process.send_signal(signal.SIGTERM)
    run = finish(process, outputs)

    assert (run.returncode, writes(pleo), passed_on(run)) == (143, [], [])


def test_signal_ends_the_wait_for_input(pleo: Sandbox, start: Start, outputs: Outputs) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    read = noticed(pleo, method="GET")
    process = start()
    give(process, SCHEMAS, update(job, 0))
    assert read.wait(DEADLINE)

    process.send_signal(signal.SIGTERM)
    run = finish(process, outputs)

    assert (run.returncode, writes(pleo)) == (143, [])
    assert summary(run).endswith("1 unsent; events: none")


@pytest.mark.parametrize("second", [False, True], ids=["ten seconds", "a second signal"])
def test_signal_waits_ten_seconds_for_an_answer(pleo: Sandbox, start: Start, outputs: Outputs, second: bool) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    sent = noticed(pleo)
    pleo.add_fault(Fault(path=ITEMS, method="PUT", kind="delay", seconds=600, effect=True))
    process = start()
    give_all(process, SCHEMAS, update(job, 0), state(1))
    assert sent.wait(DEADLINE)

    before = time.monotonic()
    process.send_signal(signal.SIGTERM)
    if second:
        # A signal counts as the second one if it arrives at least a second after the first one was seen.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.2)
        while process.poll() is None and time.monotonic() - before < DEADLINE:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.2)
    run = finish(process, outputs)

    waited = time.monotonic() - before
    assert (1 < waited < 9) if second else (9.9 < waited < DEADLINE)
    assert (run.returncode, passed_on(run)) == (143, [])
    assert summary(run).startswith("0 accepted, 0 already reported, 0 refused, 1 unsent")
    assert "Traceback" not in run.stderr


def test_closed_output_ends_the_run(pleo: Sandbox, start: Start, outputs: Outputs) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    process = start()
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None

    run = feed_without_output(process, SCHEMAS + update(job, 0) + state(1), outputs)

    assert run.returncode == 1
    assert said(run) == ["the process that reads this target's states has ended: its own log says why"]


def feed_without_output(process: subprocess.Popen[bytes], data: bytes, outputs: Outputs) -> Run:
    _, stderr = process.communicate(data, DEADLINE)
    outputs.add("stderr", stderr)
    return Run(process.returncode, b"", stderr.decode())


def test_at_most_ten_thousand_updates_wait(pleo: Sandbox, start: Start, outputs: Outputs) -> None:
    """Batches of 100 in 150 jobs would be 13,500 waiting updates: the first is sent when 10,000 wait."""
    jobs = [pleo.add_job(items=[], status="in_progress") for _ in range(150)]
    for job in jobs:
        job.item_statuses = {f"{job.id[:-4]}{number:04x}": "pending" for number in range(90)}
    process = start(max_requests_per_minute=99_999)
    peak: list[int] = [0]
    first: list[int] = []
    known = psutil.Process(process.pid)

    def measure(_: Any) -> None:
        peak[0] = max(peak[0], known.memory_info().rss)
        first.append(len(pleo.requests))

    pleo.add_fault(Fault(path=ITEMS, method="PUT", nth=None, kind="callback", callback=measure))

    run = feed(process, SCHEMAS + b"".join(updates(job, range(90)) for job in jobs), outputs)

    assert run.returncode == 0
    assert sum(sizes(pleo)) == len(pleo.changes) == 13_500
    assert len(puts(pleo)) <= 160
    # The updates of 112 jobs had been read, with two requests each.
    assert first[0] <= 2 * 112 + 1
    assert peak[0] < 110 * 1024 * 1024
