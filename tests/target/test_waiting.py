"""Time: how long updates wait, signals at any moment, memory, budgets."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import pytest

from sandbox import Fault
from tests.conftest import Run, finish
from tests.helpers.processes import read_until
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox import Sandbox
    from tests.conftest import Outputs

ITEMS = "/v3/export-jobs/*/items"
DEADLINE = 30


class Stop(NamedTuple):
    """A signal, and the exit code it leads to."""

    signal: signal.Signals
    code: int


BOTH_SIGNALS = pytest.mark.parametrize("stop", [Stop(signal.SIGTERM, 143), Stop(signal.SIGINT, 130)])


def give(process: subprocess.Popen[bytes], *messages: bytes) -> None:
    """Write messages, and leave the input open."""
    assert process.stdin is not None
    process.stdin.write(b"".join(messages))
    process.stdin.flush()


def noticed(pleo: Sandbox, path: str = ITEMS, method: str = "PUT", nth: int = 1) -> threading.Event:
    """Return what is set once such a request arrives."""
    came = threading.Event()
    pleo.add_fault(Fault(path=path, method=method, nth=nth, kind="callback", callback=lambda _: came.set()))
    return came


def test_an_update_waits_five_seconds_at_most_whatever_states_come_by(
    pleo: Sandbox, start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs
) -> None:
    job = pleo.add_job(items=3, status="in_progress")
    sent = noticed(pleo)
    process = start()
    # Nothing waits yet, so this one comes out: the target reads.
    give(process, SCHEMAS, state(-1))
    assert read_until(process.stdout, b"\n") == b"-1\n"
    begun = time.monotonic()
    give(process, update(job, 0), state(0))
    number = 0
    # States keep coming, a few times a second, until the request does.
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


def test_a_full_batch_does_not_wait_and_is_acknowledged_while_the_input_stays_open(
    pleo: Sandbox, start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs
) -> None:
    job = pleo.add_job(items=3, status="in_progress")
    sent = noticed(pleo)
    process = start(batch_size=2)

    give(process, SCHEMAS, update(job, 0), state(1), update(job, 1), state(2))
    assert sent.wait(DEADLINE)
    assert read_until(process.stdout, b"2\n") in {b"1\n2\n", b"2\n"}
    assert feed(process, b"", outputs).returncode == 0


@BOTH_SIGNALS
def test_a_signal_lets_the_request_in_hand_be_settled_and_acknowledged(
    pleo: Sandbox, start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs, stop: Stop
) -> None:
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
def test_a_signal_at_the_last_request_before_the_end_acknowledges_what_it_covers_and_posts_no_event(
    pleo: Sandbox, start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs, stop: Stop
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
def test_a_signal_ends_a_wait_for_another_attempt_at_once(
    pleo: Sandbox, start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs, stop: Stop
) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    pleo.add_fault(Fault(path=ITEMS, method="PUT", nth=None, status=429, headers={"Retry-After": "200"}))
    process = start()
    assert process.stdin is not None
    give(process, SCHEMAS, update(job, 0), state(1))
    process.stdin.close()
    process.stdin = None

    read_until(process.stderr, b"next in 200.0 s")
    process.send_signal(stop.signal)
    before = time.monotonic()
    run = finish(process, outputs)

    assert time.monotonic() - before < 15
    assert (run.returncode, passed_on(run)) == (stop.code, [])
    assert summary(run).startswith("0 accepted, 0 already reported, 0 refused, 1 unsent")


def test_a_signal_ends_a_wait_for_the_budget_at_once(
    pleo: Sandbox, start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs
) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    process = start(max_requests_per_minute=2)
    assert process.stdin is not None
    give(process, SCHEMAS, update(job, 0), state(1))
    process.stdin.close()
    process.stdin = None

    read_until(process.stderr, b"Request budget used up (max_requests_per_minute): waiting ")
    process.send_signal(signal.SIGTERM)
    run = finish(process, outputs)

    assert (run.returncode, writes(pleo), passed_on(run)) == (143, [], [])


def test_a_signal_ends_the_wait_for_input_at_once(
    pleo: Sandbox, start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs
) -> None:
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
def test_an_answer_that_does_not_come_is_waited_for(
    pleo: Sandbox, start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs, second: bool
) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    sent = noticed(pleo)
    pleo.add_fault(Fault(path=ITEMS, method="PUT", kind="delay", seconds=600, effect=True))
    process = start()
    assert process.stdin is not None
    give(process, SCHEMAS, update(job, 0), state(1))
    process.stdin.close()
    process.stdin = None
    assert sent.wait(DEADLINE)

    before = time.monotonic()
    process.send_signal(signal.SIGTERM)
    if second:
        # The same signal often comes twice at once; a second one is one that comes a second after the first was seen.
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


def test_whoever_reads_the_states_may_go(
    pleo: Sandbox, start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs
) -> None:
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


def test_many_updates_of_many_jobs_are_sent_before_too_many_wait(
    pleo: Sandbox, start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs
) -> None:
    """Batches of 100 in 150 jobs would be 13,500 updates that wait: one is sent as soon as 10,000 do."""
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
    # Those of 112 jobs had been read, two requests each.
    assert first[0] <= 2 * 112 + 1
    assert peak[0] < 110 * 1024 * 1024
