"""A private Tryton server in its own environment, on the embedded PostgreSQL, for `make erp-demo` and the tests.

The environment (`make` builds it) has GPL software: nothing here imports it. A cluster with an empty Tryton database is
built once, which takes a minute, and copied for each server.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from filelock import FileLock

from tools import postgres
from tools.meltano import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.postgres import Postgres

HOME = CHECKOUT / ".meltano" / "tryton"
BIN = HOME / "venv" / "bin"
TEMPLATE = "tryton_template"
USER = "pleo"
_CLUSTER = HOME / "cluster"
_MODULES = "account_invoice"
_SETUP = Path(__file__).with_name("tryton_setup.py")
_START_SECONDS = 60
_STOP_SECONDS = 10


class TrytonError(Exception):
    """Tryton could not be set up or started; the message is one line."""


@dataclass(frozen=True)
class Tryton:
    """A running server with one database."""

    url: str
    database: str
    user: str
    password: str
    companies: dict[str, int]
    """Ids by name."""
    process: subprocess.Popen[bytes]


def copy_cluster(data: Path) -> None:
    """Make the data directory of a PostgreSQL server whose database `TEMPLATE` is an empty Tryton."""
    HOME.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{_CLUSTER}.lock"):
        if not _CLUSTER.exists():
            _build_cluster()
    shutil.rmtree(data, ignore_errors=True)
    data.parent.mkdir(parents=True, exist_ok=True)
    # cp keeps the owner, whom PostgreSQL insists on.
    _run("cp", "-a", str(_CLUSTER), str(data))


@contextmanager
def running(server: Postgres, world: dict[str, Any], database: str = "tryton", folder: Path = HOME) -> Iterator[Tryton]:
    """Run Tryton on a new database while the block lasts.

    Args:
        server: A server on data of `copy_cluster`.
        world: Companies and years, as `tryton_setup.py` describes them.
        database: Name of the new database.
        folder: Directory for the configuration and the log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with server.connect() as connection:
        connection.execute(f'CREATE DATABASE "{database}" TEMPLATE {TEMPLATE}'.encode())
    port = _free_port()
    password = secrets.token_urlsafe(16)
    configuration = _configuration(server, folder / f"{database}.conf", port)
    document = json.dumps({**world, "user": USER, "password": password})
    answer = _run(str(BIN / "python"), str(_SETUP), str(configuration), database, stdin=document)
    with (folder / f"{database}.log").open("wb") as log:
        process = subprocess.Popen(
            [BIN / "trytond", "-c", configuration, "-d", database],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        found = Tryton(f"http://127.0.0.1:{port}", database, USER, password, json.loads(answer), process)
        _wait_until_ready(found, Path(log.name))
        yield found
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _build_cluster() -> None:
    if not (BIN / "trytond-admin").exists():
        raise TrytonError("Tryton is not installed: run 'make .meltano/.tryton'")
    new = _CLUSTER.with_name("cluster.new")
    with postgres.running(new, fresh=True) as server:
        server.create_database(TEMPLATE)
        configuration = _configuration(server, HOME / "template.conf", 0)
        admin = [str(BIN / "trytond-admin"), "-c", str(configuration), "-d", TEMPLATE]
        passwords = HOME / "template.password"
        passwords.write_text(secrets.token_urlsafe(16), encoding="utf-8")
        environment = {"TRYTONPASSFILE": str(passwords)}
        options = ("--email", "admin@example.com", "-u", _MODULES, "--activate-dependencies")
        _run(*admin, *options, environment=environment)
        passwords.unlink()
    new.rename(_CLUSTER)


def _configuration(server: Postgres, path: Path, port: int) -> Path:
    uri = f"postgresql://{postgres.USER}@/?host={server.socket}&port={postgres.PORT}"
    path.write_text(f"[database]\nuri = {uri}\n[web]\nlisten = 127.0.0.1:{port}\n", encoding="utf-8")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(*command: str, stdin: str = "", environment: dict[str, str] | None = None) -> str:
    run = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, env=os.environ | (environment or {})
    )
    if run.returncode:
        raise TrytonError(f"{Path(command[0]).name} failed: {(run.stderr.strip().splitlines() or ['no reason'])[-1]}")
    return run.stdout


def _wait_until_ready(server: Tryton, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if server.process.poll() is not None:
            raise TrytonError(f"Tryton did not start, see {log}")
        try:
            requests.get(f"{server.url}/{server.database}/", timeout=_START_SECONDS)
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise TrytonError(f"Tryton did not answer in {_START_SECONDS} s, see {log}") from None
            time.sleep(0.05)
        else:
            return
