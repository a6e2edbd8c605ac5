"""Kills at random points, then delivery of everything not acknowledged: no update lost, none twice, one completion."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sandbox import Fault, Job, Sandbox
from tests.conftest import Outputs, Run, finish
from tests.helpers.randomness import replayable_random
from tests.helpers.target import FAILED, SCHEMAS, event, settings_of, start_target, state, update

JOBS = 3
ITEMS = 9
BATCH = 4


class World:
    """Jobs, an input about them, and the expected status of each item: that of its first update."""

    def __init__(self, pleo: Sandbox, rng: Random) -> None:
        self.pleo = pleo
        self.rng = rng
        self.complete_jobs = rng.random() < 0.5
        self.jobs = [pleo.add_job(items=ITEMS, status=rng.choice(("pending", "in_progress"))) for _ in range(JOBS)]
        self.expected: dict[tuple[str, str], str] = {}
        order = [(job, number) for job in self.jobs for number in range(ITEMS)]
        rng.shuffle(order)
        self.messages: list[bytes] = []
        for job, number in order:
            self.say(job, number, rng.choice(("successful", "failed")))
            if rng.random() < 0.2:
                self.say(job, number, rng.choice(("successful", "failed")))
            if rng.random() < 0.4:
                self.messages.append(state(len(self.messages)))
        # An event completes one job; with `complete_jobs`, the others are completed because their items are final.
        self.messages.append(event(self.jobs[0], self.completion(self.jobs[0])))
        self.messages.append(state(len(self.messages)))

    def say(self, job: Job, number: int, status: str) -> None:
        entry = list(job.item_statuses)[number]
        self.expected.setdefault((job.id, entry), status)
        details = FAILED if status == "failed" else {"status": status, "externalId": f"JE-{number}"}
        self.messages.append(update(job, number, **details))

    def completion(self, job: Job) -> str:
        own = {status for (job_id, _), status in self.expected.items() if job_id == job.id}
        return "completed" if own == {"successful"} else "completed_with_errors"


def hurt(world: World, processes: list[subprocess.Popen[bytes]]) -> str:
    """Script the fault of one run: a signal at some request, before or after its effect."""
    rng = world.rng
    number = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
    method = rng.choice(("PUT", "PUT", "PUT", "GET", "POST"))
    nth, effect = rng.randrange(1, 4), rng.random() < 0.5

    def strike(_: Sandbox) -> None:
        processes[-1].send_signal(number)

    world.pleo.faults.clear()
    world.pleo.add_fault(Fault(path="/v3", method=method, nth=nth, kind="callback", callback=strike))
    # The signal must arrive before the answer.
    stall = Fault(path="/v3", method=method, nth=nth, kind="delay", seconds=0.1)
    stall.effect = effect if number == signal.SIGKILL else None
    world.pleo.add_fault(stall)
    if rng.random() < 0.3:
        world.pleo.add_fault(Fault(path="/v3", method="PUT", nth=rng.randrange(1, 3), kind="reset"))
    return f"{number.name} at {method} {nth}, {'after' if effect else 'before'} its effect"


def deliver(world: World, messages: list[bytes], folder: Path, environment: dict[str, str], outputs: Outputs) -> Run:
    """Run the target once on messages, as `hurt` has scripted it."""
    processes: list[subprocess.Popen[bytes]] = []
    plan = hurt(world, processes) if folder.name != "last" else "undisturbed"
    if folder.name == "last":
        world.pleo.faults.clear()
    folder.mkdir()
    settings = settings_of(world.pleo, batch_size=BATCH, start_jobs=True, complete_jobs=world.complete_jobs)
    processes.append(start_target(folder, environment, settings))
    assert processes[0].stdin is not None
    try:
        processes[0].stdin.write(SCHEMAS + b"".join(messages))
        processes[0].stdin.flush()
    except BrokenPipeError:
        pass  # it was killed while it read
    run = finish(processes[0], outputs)
    sys.stdout.write(f"{plan}: {len(messages)} messages, exit code {run.returncode}\n")
    return run


@pytest.mark.parametrize("number", range(3))
def test_killed_at_random_points_and_delivered_again(
    tmp_path: Path, environment: dict[str, str], outputs: Outputs, number: int
) -> None:
    rng = replayable_random()
    with Sandbox(seed=number) as pleo:
        outputs.secrets.add(pleo.api_key)
        world = World(pleo, rng)
        acknowledged = -1
        for attempt in range(rng.randrange(3, 6)):
            rest = world.messages[acknowledged + 1 :]
            run = deliver(world, rest, tmp_path / str(attempt), environment, outputs)
            assert run.returncode in {0, 1, 143, -signal.SIGKILL}, run.stderr
            assert "Traceback" not in run.stderr
            # A kill may cut the last line.
            states: list[Any] = [json.loads(text) for text in run.stdout.split(b"\n")[:-1]]
            assert states == sorted(states)
            acknowledged = max(states, default=acknowledged)
            check_acknowledged(world, acknowledged)
            if acknowledged == len(world.messages) - 1:
                break
        last = deliver(world, world.messages[acknowledged + 1 :], tmp_path / "last", environment, outputs)

        assert last.returncode in {0, 1}, last.stderr
        found = {(job.id, entry): status for job in world.jobs for entry, status in job.item_statuses.items()}
        assert found == world.expected
        entries = [(change.job_id, change.entry_id) for change in pleo.changes if change.entry_id]
        assert sorted(entries) == sorted(world.expected)
        completed = world.jobs if world.complete_jobs else world.jobs[:1]
        assert [job.status for job in completed] == [world.completion(job) for job in completed]
        ends = [change.job_id for change in pleo.changes if not change.entry_id and change.status != "in_progress"]
        assert sorted(ends) == sorted(job.id for job in completed)


def check_acknowledged(world: World, acknowledged: int) -> None:
    """Assert that records before the last acknowledged state are settled in Pleo."""
    for text in world.messages[: acknowledged + 1]:
        message = json.loads(text)
        if message["type"] == "RECORD" and "accountingEntryId" in message["record"]:
            job, entry = message["record"]["jobId"], message["record"]["accountingEntryId"]
            assert world.pleo.jobs[job].item_statuses[entry] == world.expected[job, entry]
