"""The embedded server: unreachable from the network, and gone when its owner is."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools import postgres as pg
from tools.meltano import CHECKOUT

OWNER = """
import signal
from tools import postgres
with postgres.running() as server:
    print((server.data / "postmaster.pid").read_text().split()[0], server.socket, flush=True)
    signal.pause()
"""


def test_the_server_listens_on_no_network_address(postgres: pg.Postgres) -> None:
    with postgres.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    assert postgres.socket.stat().st_mode & 0o077 == 0


def test_data_is_kept_and_used_by_one_server_at_a_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    query = [sys.executable, "-m", "tools.postgres", str(data), "SELECT answer FROM answers"]
    with pg.running(data) as server, server.connect() as connection:
        connection.execute("CREATE TABLE answers AS SELECT 42 AS answer")
        refused = subprocess.run(query, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    answer = subprocess.run(query, cwd=CHECKOUT, capture_output=True, text=True, check=True)

    assert (refused.returncode, refused.stderr.count("\n"), "is in use" in refused.stderr) == (1, 1, True)
    assert "42" in answer.stdout


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="tied to its owner on Linux only")
def test_the_server_dies_with_a_killed_owner() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        process, socket = owner.stdout.readline().split()
        server = os.pidfd_open(int(process))
        owner.send_signal(signal.SIGKILL)
        ended, _, _ = select.select([server], [], [], 20)
        os.close(server)
    shutil.rmtree(socket)
    assert ended
