"""The embedded server: reachable by nobody else, reopened with its data, gone when its owner is."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tools import postgres as pg
from tools.meltano import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = (sys.executable, "-m", "tools.postgres")
HOLD = """
import signal
from tools import postgres
with postgres.running() as server:
    print((server.data / "postmaster.pid").read_text().split()[0], server.socket, flush=True)
    signal.pause()
"""


def prompt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROMPT, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_no_network_address_is_listened_on(postgres: pg.Postgres) -> None:
    with postgres.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    assert postgres.socket.stat().st_mode & 0o077 == 0


def test_a_temporary_server_leaves_nothing() -> None:
    with pg.running() as server:
        process = int((server.data / "postmaster.pid").read_text().split()[0])
    assert not server.socket.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_kept_data_answers_a_query_after_the_server_has_stopped(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with pg.running(data) as server, server.connect() as connection:
        connection.execute("CREATE SCHEMA pleo")
        connection.execute("CREATE TABLE export_items AS SELECT 42 AS kept")
    answer = prompt(str(data), "SELECT kept FROM export_items")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "42" in answer.stdout


def test_data_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with pg.running(data):
        refused = prompt(str(data), "SELECT 1")
    assert refused.returncode == 1
    assert refused.stderr == f"{data} is in use: close the other demo, or the prompt on its data, first\n"


def test_a_directory_without_data_is_refused_in_one_line(tmp_path: Path) -> None:
    refused = prompt(str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr == f"{tmp_path} holds no PostgreSQL data: run 'make demo' first\n"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the server's life is tied to its owner's on Linux only")
def test_the_server_dies_with_a_killed_owner() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        process, socket = owner.stdout.readline().split()
        server = os.pidfd_open(int(process))
        owner.send_signal(signal.SIGKILL)
        ended, _, _ = select.select([server], [], [], 20)
        os.close(server)
    shutil.rmtree(socket)
    assert ended
