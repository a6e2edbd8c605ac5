"""After kills, signals and a database restart, every item is in PostgreSQL exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psutil
import psycopg
import pytest

from sandbox import Fault, Sandbox
from tests.conftest import TIMEOUT, Outputs, finish
from tests.helpers.processes import read_until
from tests.helpers.randomness import replayable_random
from tools import postgres as pg
from tools.expectation import expected_items, loaded_keys, loaded_sums, wallet_sums
from tools.meltano import MeltanoProject
from tools.pipes import Pipes, tap_settings
from tools.postgres import Postgres

Connect = Callable[[], "psycopg.Connection[Any]"]
ITEMS = "/v3/export-items"
PAGE = 20
AT_ONCE = 4
RUN = ("run", "tap-pleo-export", "pleo-validate", "target-postgres")
SIGNALS = pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)


@pytest.fixture
def pleo(pleo: Sandbox) -> Sandbox:
    """A local Pleo with a large job and a small one."""
    now = datetime.now(UTC)
    pleo.add_job(items=20 * PAGE, created_at=now - timedelta(minutes=9))
    pleo.add_job(items=3 * PAGE, created_at=now - timedelta(minutes=2))
    return pleo


@pytest.fixture
def rng() -> Random:
    return replayable_random()


@pytest.fixture
def connect(postgres: Postgres, database: str) -> Connect:
    return lambda: postgres.connect(database)


@pytest.fixture
def pipes(pleo: Sandbox, postgres: Postgres, database: str, tmp_path: Path, outputs: Outputs) -> Iterator[Pipes]:
    """The tap and the target, without a mapper between them."""
    settings = tap_settings(pleo, page_size=PAGE, max_concurrent_requests=AT_ONCE)
    pipes = Pipes(tmp_path, settings, postgres.url(database), mapped=False, rows=3 * PAGE)
    yield pipes
    pipes.close()
    for log in tmp_path.glob("*.log"):
        outputs.add(log.name, log.read_bytes())


def at_request(pleo: Sandbox, number: int, what: Callable[[], object]) -> None:
    """Call a function at the n-th request for export items from now on."""
    pleo.faults.clear()
    pleo.add_fault(Fault(path=ITEMS, kind="callback", nth=number, callback=lambda _: what()))


def asked(pleo: Sandbox) -> int:
    return len(pleo.requests_to(ITEMS))


def pages_acknowledged(state: dict[str, Any] | None) -> int:
    partitions = state["bookmarks"]["export_items"]["partitions"] if state else []
    return sum(entry["page"] for entry in partitions)


def is_all_there_once(pleo: Sandbox, connection: psycopg.Connection[Any]) -> None:
    """Assert that the database contains each of Pleo's items once, with exact sums."""
    expected = expected_items(pleo)
    with connection:
        assert loaded_keys(connection, "export_items") == Counter(expected.keys())
        assert loaded_sums(connection) == wallet_sums(expected.values())


@SIGNALS
def test_resume_after_kills_at_random_moments(
    pleo: Sandbox, pipes: Pipes, connect: Connect, rng: Random, number: signal.Signals
) -> None:
    at_request(pleo, rng.randrange(1, 15), lambda: pipes.signal("tap", number))
    codes = pipes.run()
    assert codes["tap"] == (-number if number == signal.SIGKILL else 128 + number)
    # In flight were as many pages as allowed; the kill may have come between a page and its STATE.
    assert asked(pleo) - pages_acknowledged(pipes.state) <= AT_ONCE + 1

    pipes.start(watched="target")
    read_until(pipes.running["target"].stderr, b"is full", times=rng.randrange(1, 9))
    pipes.stop_target(number)
    pipes.wait()

    assert pipes.run() == {"tap": 0, "target": 0}
    is_all_there_once(pleo, connect())


def test_a_torn_line_reaches_no_table(pleo: Sandbox, pipes: Pipes, connect: Connect, outputs: Outputs) -> None:
    # Lines longer than a pipe: the kill finds the tap inside one.
    (job, _) = pleo.jobs.values()
    for item in job.items:
        item["note"] = "x" * 300_000
    tap = subprocess.Popen(pipes.tap_command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    head = read_until(tap.stdout, b'"stream":"export_items","record"', times=2)
    tap.kill()
    torn = head + finish(tap, outputs).stdout
    assert not torn.endswith(b"\n")

    target = subprocess.run(pipes.target_command(), input=torn, capture_output=True, check=False, timeout=TIMEOUT)
    pipes.acknowledge(target.stdout)

    assert target.returncode != 0
    assert pages_acknowledged(pipes.state) == 0
    with connect() as connection:
        assert set(connection.execute("SELECT length(note) FROM export_items")) <= {(300_000,)}
    assert pipes.run() == {"tap": 0, "target": 0}
    is_all_there_once(pleo, connect())


def test_resume_after_postgresql_restarts(pleo: Sandbox, pipes: Pipes, tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    with pg.running(data) as server:
        pipes.database_url = server.url()
        pipes.start(watched="target")
        read_until(pipes.running["target"].stderr, b"is full", times=10)
    assert pipes.wait()["target"] != 0

    with pg.running(data) as server:
        pipes.database_url = server.url()
        assert pipes.run() == {"tap": 0, "target": 0}
        is_all_there_once(pleo, server.connect())


def test_resume_after_meltano_or_its_tap_is_killed(
    pleo: Sandbox, pipes: Pipes, connect: Connect, new_project: Callable[..., MeltanoProject], rng: Random
) -> None:
    settings = {"TARGET_POSTGRES_SQLALCHEMY_URL": pipes.database_url, "TAP_PLEO_EXPORT_PAGE_SIZE": str(PAGE)}
    project = new_project(pleo, **settings)

    def run_until(at: int, stop: Callable[[subprocess.Popen[str]], object]) -> int:
        started: list[subprocess.Popen[str]] = []

        def stop_and_wait() -> None:
            stop(started[0])
            # The response waits, so that the tap cannot finish before Meltano notices.
            started[0].wait(TIMEOUT)

        at_request(pleo, at, stop_and_wait)
        # A killed Meltano leaves its run marked as running, hence --force.
        started.append(project.start(RUN[0], "--force", *RUN[1:]))
        output, _ = started[0].communicate(timeout=TIMEOUT)
        outlived = [process for process in psutil.process_iter() if _group(process) == started[0].pid]
        _, alive = psutil.wait_procs(outlived, timeout=TIMEOUT)
        assert not alive, output
        return started[0].returncode

    codes = [
        run_until(rng.randrange(1, 6), _kill_its_tap),
        run_until(rng.randrange(1, 4), lambda meltano: meltano.send_signal(signal.SIGTERM)),
        run_until(rng.randrange(1, 4), lambda meltano: os.killpg(meltano.pid, signal.SIGINT)),
        run_until(rng.randrange(1, 4), lambda meltano: meltano.kill()),
    ]

    assert 0 not in codes
    pleo.faults.clear()
    log = project.run(RUN[0], "--force", *RUN[1:])
    assert project.returncode == 0, "".join(line.raw for line in log)
    is_all_there_once(pleo, connect())


def _kill_its_tap(meltano: subprocess.Popen[str]) -> None:
    (tap,) = (
        process for process in psutil.Process(meltano.pid).children() if "tap-pleo-export" in process.cmdline()[1]
    )
    tap.kill()


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None
