"""Locks of files and of PostgreSQL: the same guarantees, proved with real processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dagster_pleo_export import locks
from dagster_pleo_export.locks import FileLocks, LockTaken, PostgresLocks
from tests.conftest import CHECKOUT
from tools import postgres as pg

# Acquires locks, starts a child that inherits them, prints its id, and waits for the end of its input.
OWNER = """
import subprocess, sys
from pathlib import Path
from dagster_pleo_export.locks import FileLocks, PostgresLocks
kind, where, child, *names = sys.argv[1:]
with (FileLocks(Path(where)) if kind == "file" else PostgresLocks(where)).acquire(*names, wait=10) as lease:
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    heir = subprocess.Popen(command, pass_fds=lease.descriptors) if child == "heir" else None
    print(heir.pid if heir else 0, flush=True)
    sys.stdin.read()
"""
ENDS = (
    "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT 1' AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="module")
def server() -> Iterator[pg.Postgres]:
    with pg.running() as server:
        yield server


@pytest.fixture(params=["file", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Return the kind of lock, and its folder or address."""
    if request.param == "file":
        return "file", str(tmp_path / "locks")
    # The spelling of Dagster's storage.
    return "postgres", request.getfixturevalue("server").url().replace("+psycopg:", "+psycopg2:")


def made(where: tuple[str, str]) -> FileLocks | PostgresLocks:
    return FileLocks(Path(where[1])) if where[0] == "file" else PostgresLocks(where[1])


@contextmanager
def owner(where: tuple[str, str], child: str, *names: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a process that has locks, and perhaps a child that inherits them; yield both."""
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "fleet")}
    command = [sys.executable, "-c", OWNER, *where, child, *names]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        try:
            yield process, int(process.stdout.readline())
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_lock_excludes_another_process_until_its_owner_is_killed(where: tuple[str, str]) -> None:
    mine = made(where)
    with owner(where, "none", "run-1", "company-acme") as (process, _):
        assert mine.is_taken("run-1")
        assert mine.is_taken("company-acme")
        assert not mine.is_taken("company-other")
        with pytest.raises(LockTaken, match="company-acme"), mine.acquire("run-2", "company-acme", wait=1):
            pass
        assert not mine.is_taken("run-2")

        process.kill()
        # It waits until the server, or the kernel, has noticed.
        with mine.acquire("company-acme", wait=30) as lease:
            assert not lease.lost.is_set()
            assert mine.is_taken("company-acme")
    assert not mine.is_taken("company-acme")


def test_a_lock_lasts_as_long_as_the_child_that_inherited_it(where: tuple[str, str]) -> None:
    mine = made(where)
    with owner(where, "heir", "company-acme") as (process, heir):
        process.kill()
        process.wait()

        with pytest.raises(LockTaken), mine.acquire("company-acme", wait=2):
            pass
        os.kill(heir, signal.SIGKILL)
        with mine.acquire("company-acme", wait=30):
            pass


def test_the_end_of_the_block_releases_locks_that_a_child_still_has(where: tuple[str, str]) -> None:
    mine = made(where)
    with owner(where, "heir", "company-acme") as (process, _):
        assert process.stdin
        process.stdin.close()

        with mine.acquire("company-acme", wait=30):
            pass


def test_a_lost_connection_is_reported_at_once(server: pg.Postgres) -> None:
    mine, lost = PostgresLocks(server.url()), threading.Event()
    with mine.acquire("company-acme", wait=1) as lease:
        lease.on_loss(lost.set)
        assert not lost.wait(locks.WATCH_SECONDS * 2)
        with server.connect() as connection:
            assert connection.execute(ENDS).fetchall()

        assert lost.wait(locks.WATCH_SECONDS * 5)
        assert lease.lost.is_set()
        late: list[bool] = []
        lease.on_loss(lambda: late.append(True))
        assert late == [True]


def test_a_connection_lost_in_the_last_moment_is_known_after_the_block(server: pg.Postgres) -> None:
    with PostgresLocks(server.url()).acquire("company-acme", wait=1) as lease, server.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")

    assert lease.lost.is_set()


def test_names_have_different_keys_and_the_address_is_not_shown(server: pg.Postgres) -> None:
    mine = PostgresLocks(server.url())
    with mine.acquire(*(f"company-{number}" for number in range(50)), wait=1), server.connect() as connection:
        rows = connection.execute("SELECT DISTINCT classid, objid FROM pg_locks WHERE locktype = 'advisory'").fetchall()
        assert all(mine.is_taken(f"company-{number}") for number in range(50))

    assert len(rows) == 50
    assert repr(mine) == "PostgresLocks()"


def test_the_lock_of_a_run_leaves_no_file(tmp_path: Path) -> None:
    mine = FileLocks(tmp_path)
    with mine.acquire(locks.run_lock("r1"), locks.company_lock("acme"), wait=1):
        assert {path.name for path in tmp_path.iterdir()} == {"run-r1.lock", "company-acme.lock"}

    assert [path.name for path in tmp_path.iterdir()] == ["company-acme.lock"]


@pytest.mark.parametrize(("url", "kind"), [(None, FileLocks), ("postgresql+psycopg2://x@/y", PostgresLocks)])
def test_the_storage_decides_the_kind_of_lock(url: str | None, kind: type[Any], tmp_path: Path) -> None:
    class Storage:
        postgres_url = url

    class Instance:
        run_storage = Storage if url else None
        root_directory = str(tmp_path)

    found: Any = locks.of(Instance())

    assert type(found) is kind
