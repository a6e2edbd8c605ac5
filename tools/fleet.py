"""A local fleet: Dagster's daemon, code server and webhook as processes, with all storage in PostgreSQL."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
import yaml

from tools.meltano import CHECKOUT, MELTANO, environment_without_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sandbox import Sandbox
    from tools.postgres import Postgres

BIN = CHECKOUT / ".venv-fleet" / "bin"
CODE = "dagster_pleo_export.definitions"
DAGSTER_URL = "DAGSTER_POSTGRES_URL"
DAGSTER, MELTANO_DATABASE, WAREHOUSE = "dagster", "meltano", "warehouse"
STOP_SECONDS = 30
POLL_SECONDS = 0.5
# Shorter intervals than Pleo itself would like.
QUICK = {"interval": 5, "tick": 2, "time_limit": 20, "requests_at_once": 8, "request_timeout": 10}


class FleetFailed(Exception):
    """An expected event did not happen in time; ``str()`` says where to look."""


@dataclass
class FleetRig:
    """A fleet and its processes."""

    home: Path  # The folder of the fleet file, ``DAGSTER_HOME`` and the logs; emptied first
    server: Postgres  # The PostgreSQL server, which gets three databases
    pleo: Sandbox  # The local Pleo
    companies: list[dict[str, Any]]  # The fleet file's companies
    credentials: dict[str, Any]  # The fleet file's credentials
    options: dict[str, Any] = field(default_factory=dict)  # Other members of the fleet file
    secrets: dict[str, str] = field(default_factory=dict)  # Environment variables with secrets
    prefix: str = ""  # Prefix of the databases' names
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)  # The processes by name
    # The folder for temporary files; a short path, for sockets.
    scratch: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="fleet-", dir="/tmp")))

    def __post_init__(self) -> None:
        """Create folder, files and databases."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        for database in (DAGSTER, MELTANO_DATABASE, WAREHOUSE):
            self.server.create_database(self.prefix + database)
        self.write()
        # Meltano creates its tables when it first starts: two runs at once would both try.
        subprocess.run([MELTANO, "state", "list"], cwd=CHECKOUT, env=self.environment, check=True, capture_output=True)

    @property
    def file(self) -> Path:
        """The fleet file."""
        return self.home / "fleet.yml"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of all processes."""
        return {
            **environment_without_settings(),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "DAGSTER_HOME": str(self.home),
            "PLEO_FLEET": str(self.file),
            "XDG_STATE_HOME": str(self.home / "state"),
            "TMPDIR": str(self.scratch),
            "MELTANO_DATABASE_URI": self.server.url(self.prefix + MELTANO_DATABASE),
            "TARGET_POSTGRES_SQLALCHEMY_URL": self.server.url(self.prefix + WAREHOUSE),
            DAGSTER_URL: self.server.url(self.prefix + DAGSTER).replace("+psycopg:", "+psycopg2:"),
            **self.secrets,
        }

    def write(self) -> None:
        """Write the fleet file and ``dagster.yaml``."""
        file = {
            "credentials": self.credentials,
            "companies": self.companies,
            "settings": {"api_url": self.pleo.url, "max_retries": 1},
            "meltano": {"executable": MELTANO, "project": str(CHECKOUT), "environment": "sandbox"},
            "discovery": QUICK,
        }
        self.file.write_text(yaml.safe_dump(file | self.options), "utf-8")
        dagster = yaml.safe_load(self.command("instance"))
        dagster["storage"] = {"postgres": {"postgres_url": {"env": DAGSTER_URL}}}
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(dagster), "utf-8")

    def command(self, *arguments: str) -> str:
        """Run ``dagster-pleo-export`` and return its output."""
        command = [str(BIN / "dagster-pleo-export"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FleetFailed(f"{arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def status(self) -> dict[str, dict[str, Any]]:
        """Return the rows of ``dagster-pleo-export status`` by company."""
        return {row["company"]: row for row in json.loads(self.command("status", "--json"))}

    def start(
        self, name: str, *command: str | Path, environment: dict[str, str] | None = None, given: str | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process; its output goes to the file ``NAME.log``.

        Args:
            name: Its name.
            command: Its command.
            environment: Its environment, if it differs from that of the others.
            given: What it reads from standard input, which stays open if this is None.
        """
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=environment or self.environment,
                cwd=self.home,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running[name] = process
        if given is not None and process.stdin:
            process.stdin.write(given.encode())
            process.stdin.close()
        return process

    def start_daemon(self) -> None:
        """Start the daemon, which starts the code server."""
        self.start("daemon", BIN / "dagster-daemon", "run", "-m", CODE)

    def start_all(self) -> None:
        """Start what executes runs."""
        self.start_daemon()

    def start_webhook(self) -> str:
        """Start the webhook and return its address."""
        self.start("webhook", BIN / "dagster-pleo-export", "webhook", "--port", "0")
        log = self.home / "webhook.log"
        self.wait(lambda: "Listening on" in log.read_text("utf-8"), 60, "the webhook")
        return log.read_text("utf-8").split("Listening on ")[1].split()[0]

    def stop(self, *names: str) -> None:
        """End the processes of these names, or all, with their children."""
        for name in names or tuple(self.running):
            process = self.running.pop(name)
            family = _family(process.pid)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()
            end(family)

    def kill(self, *names: str) -> None:
        """Kill the processes of these names, or all, with their children, as a power cut does."""
        processes = [self.running.pop(name) for name in names or tuple(self.running)]
        for one in [one for process in processes for one in _family(process.pid)]:
            with suppress(psutil.Error):
                one.kill()
        for process in processes:
            process.communicate()

    def gone(self) -> list[str]:
        """Return the names of processes that have ended by themselves."""
        return [name for name, process in self.running.items() if process.poll() is not None]

    def wait(self, happened: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for an event."""
        until = time.monotonic() + seconds
        while not happened():
            gone = self.gone()
            if gone or time.monotonic() > until:
                why = f"{gone[0]} has ended" if gone else f"not within {seconds:.0f} s"
                raise FleetFailed(f"{what}: {why}; logs are in {self.home}")
            time.sleep(POLL_SECONDS)

    def runs(self) -> list[dict[str, Any]]:
        """Return Dagster's runs from its storage, oldest first: id, status, company, start, end, tags."""
        query = """
            SELECT r.run_id, r.status, r.start_time, r.end_time, jsonb_object_agg(t.key, t.value)
            FROM runs AS r JOIN run_tags AS t USING (run_id) GROUP BY r.id ORDER BY r.id
        """
        with self.server.connect(self.prefix + DAGSTER) as connection:
            if not connection.execute("SELECT to_regclass('run_tags')").fetchone()[0]:  # type: ignore[index]
                return []
            names = ("id", "status", "start", "end", "tags")
            rows = [dict(zip(names, row, strict=True)) for row in connection.execute(query)]
        return [row | {"company": row["tags"].get("dagster/partition")} for row in rows]

    def settled(self, companies: Iterable[str]) -> Callable[[], bool]:
        """Return a function that checks whether the newest run of each of these companies has succeeded."""
        wanted = set(companies)

        def happened() -> bool:
            newest = {run["company"]: run["status"] for run in self.runs()}
            return all(newest.get(name) == "SUCCESS" for name in wanted)

        return happened

    def workers(self, company: str) -> list[psutil.Process]:
        """Return the processes of a company's runs: Dagster's, Meltano's, plugins'."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if f"--state-id-suffix={company}" in process.cmdline():
                    found += [process, *process.children(recursive=True)]
        return found

    def processor_seconds(self) -> float:
        """Return the processor time of the fleet's living processes, in seconds."""
        total = 0.0
        for process in self.running.values():
            for one in _family(process.pid):
                with suppress(psutil.Error):
                    total += sum(one.cpu_times()[:2])
        return total

    def texts(self) -> dict[str, bytes]:
        """Return everything that the fleet has stored and logged, by place: files, and the rows of all databases."""
        files = (p for folder in (self.home, self.scratch) for p in folder.rglob("*") if p.is_file())
        kept = {str(p): p.read_bytes() for p in files}
        tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        for database in (DAGSTER, MELTANO_DATABASE):
            with self.server.connect(self.prefix + database) as connection:
                for (table,) in connection.execute(tables).fetchall():
                    rows = connection.execute(f'SELECT t::text FROM "{table}" AS t').fetchall()  # noqa: S608 - names from the catalog
                    kept[f"{database}.{table}"] = "\n".join(row[0] or "" for row in rows).encode()
        return kept

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)


def end(family: Iterable[psutil.Process]) -> None:
    """End processes that are still running: SIGTERM first, then SIGKILL."""
    there = [process for process in family if process.is_running()]
    for process in there:
        with suppress(psutil.Error):
            process.terminate()
    _, left = psutil.wait_procs(there, timeout=STOP_SECONDS)
    for process in left:
        with suppress(psutil.Error):
            process.kill()


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []
