"""A fleet on several hosts: Celery on a Redis from Debian, and worker hosts with separate files and networks.

Where this user may make namespaces (root), each host has a network, in which only Pleo, PostgreSQL and Redis can be
reached, a table of processes and a name. Elsewhere a host is a group of processes of this machine.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tools.fleet import BIN, DAGSTER, DAGSTER_URL, MELTANO_DATABASE, WAREHOUSE, FleetFailed, FleetRig
from tools.postgres import PORT as POSTGRES_PORT
from tools.postgres import USER
from tools.relay import LOOPBACK, Relay, Target

REDIS_PORT = 6379
BROKER, BROKER_SECRET = "PLEO_BROKER", "fake-sandbox-secret-of-the-broker"
ENGINE = {"celery": {"broker": {"env": BROKER}}}
MISSING = (
    "redis-server is missing: apt-get install redis-server (it is only started by this command, never as a service)"
)
NAMESPACES = ("unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--")
# Waits for a line, so that its network is ready.
BOOT = 'ip link set lo up && hostname "$0" && read -r _ && exec "$@"'
BOOT_SECONDS = 30


@functools.cache
def isolated() -> bool:
    """Return whether this user may make namespaces for hosts."""
    tried = subprocess.run([*NAMESPACES, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
    return os.geteuid() == 0 and tried.returncode == 0


def redis_server() -> str:
    """Return the path of Redis.

    Raises:
        FleetFailed: It is not installed.
    """
    found = shutil.which("redis-server")
    if not found:
        raise FleetFailed(MISSING)
    return found


@dataclass
class HostedRig(FleetRig):
    """A fleet whose runs are executed by hosts; the daemon's machine has no workers."""

    hosts: list[str] = field(default_factory=list)  # The names of the worker hosts
    relays: dict[str, list[Relay]] = field(default_factory=dict)  # By host, ``broker`` for this machine's way to it

    def __post_init__(self) -> None:
        """Create folder, files and databases."""
        redis_server()
        self.options = self.options | {"engine": ENGINE}
        self.relays["broker"] = [Relay(self.redis_socket)]
        super().__post_init__()

    @property
    def redis_socket(self) -> Path:
        """The Unix socket of Redis."""
        return self.scratch / "redis.sock"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the daemon's machine."""
        return super().environment | {BROKER: _broker(self.relays["broker"][0].port)}

    def start_broker(self) -> None:
        """Start Redis on the data of earlier ones; its configuration contains a secret, so it goes through a pipe."""
        data = self.home / "redis"
        data.mkdir(exist_ok=True)
        lines = {"port": 0, "unixsocket": self.redis_socket, "dir": data, "appendonly": "yes", "save": '""'}
        lines["requirepass"] = BROKER_SECRET
        given = "\n".join(f"{name} {value}" for name, value in lines.items())
        self.start("broker", redis_server(), "-", given=given)

    def start_host(self, name: str) -> None:
        """Start a worker host."""
        folder, temporary = self.home / name, self.temporary(name)
        for part in (folder, temporary):
            part.mkdir(exist_ok=True)
        shutil.copy(self.home / "dagster.yaml", folder)
        places = {"DAGSTER_HOME": folder, "HOME": folder, "XDG_STATE_HOME": folder / "state", "TMPDIR": temporary}
        environment = self.environment | {key: str(value) for key, value in places.items()}
        command = (str(BIN / "dagster-pleo-export"), "worker")
        if not isolated():
            self.start(name, *command, environment=environment)
            return
        for relay in self.relays.pop(name, ()):
            relay.close()
        process = self.start(
            name, *NAMESPACES, "sh", "-c", BOOT, name, *command, environment=environment | self.inside()
        )
        self.wait(lambda: has_loopback(process.pid), BOOT_SECONDS, f"the network of {name}")
        services: dict[int, Target] = {
            self.pleo.port: self.pleo.port,
            POSTGRES_PORT: self.server.socket / f".s.PGSQL.{POSTGRES_PORT}",
            REDIS_PORT: self.redis_socket,
        }
        self.relays[name] = [Relay(target, port, process.pid) for port, target in services.items()]
        if process.stdin:
            process.stdin.write(b"\n")
            process.stdin.close()

    def start_all(self) -> None:
        """Start broker, daemon and hosts."""
        self.start_broker()
        self.start_daemon()
        for name in self.hosts:
            self.start_host(name)

    def stop(self, *names: str) -> None:
        """End the processes of these names, or all: hosts first, because they need the broker to end."""
        for name in self.hosts:
            # unshare does not pass SIGTERM on.
            if isolated() and name in self.running and (not names or name in names):
                for worker in psutil.Process(self.running[name].pid).children():
                    worker.terminate()
        super().stop(*(names or sorted(self.running, key=lambda name: name not in self.hosts)))

    def gone(self) -> list[str]:
        """Start a daemon or host that has ended, as a service manager does; return the names of other processes."""
        for name in super().gone():
            if name == "daemon":
                self.start_daemon()
            elif name != "broker":
                self.start_host(name)
        return super().gone()

    def wait_for_hosts(self, seconds: float) -> None:
        """Wait until the hosts have logged that they accept runs."""
        logs = [self.home / f"{name}.log" for name in self.hosts]
        self.wait(lambda: all(b" ready." in log.read_bytes() for log in logs), seconds, "the hosts")

    def host_of(self, company: str) -> str | None:
        """Return the host that loads a company."""
        for process in self.workers(company):
            above = {parent.pid for parent in process.parents()}
            for name, one in self.running.items():
                if one.pid in above:
                    return name
        return None

    def temporary(self, name: str) -> Path:
        """Return a host's folder for temporary files."""
        return self.scratch / name

    def inside(self) -> dict[str, str]:
        """Return the addresses that differ in a host's network."""
        return {
            BROKER: _broker(REDIS_PORT),
            "MELTANO_DATABASE_URI": self.inner_url(MELTANO_DATABASE),
            "TARGET_POSTGRES_SQLALCHEMY_URL": self.inner_url(WAREHOUSE),
            DAGSTER_URL: self.inner_url(DAGSTER).replace("+psycopg:", "+psycopg2:"),
        }

    def inner_url(self, database: str) -> str:
        """Return a database's address in a host's network."""
        return f"postgresql+psycopg://{USER}@{LOOPBACK}:{POSTGRES_PORT}/{self.prefix}{database}"


def has_loopback(process: int) -> bool:
    """Return whether a process has a network that is not this one, with its loopback up."""
    here, there = (Path(f"/proc/{pid}/ns/net").stat().st_ino for pid in ("self", process))
    return here != there and LOOPBACK in Path(f"/proc/{process}/net/fib_trie").read_text("ascii")


def _broker(port: int) -> str:
    return f"redis://:{BROKER_SECRET}@{LOOPBACK}:{port}/0"
