"""The commands of docs/fleet.md as printed, with the example fleet file: one machine, PostgreSQL, Celery."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
import requests
import yaml

from sandbox import Sandbox
from tests.conftest import CHECKOUT
from tests.helpers.guides import printed
from tools.expectation import expected_items, loaded_keys
from tools.fleet import BIN
from tools.fleet_world import WEBHOOK_SECRET
from tools.hosts import redis_server
from tools.meltano import MeltanoProject, environment_without_settings
from tools.postgres import Postgres

pytestmark = pytest.mark.timeout(900)
SECONDS, POLL_SECONDS = 400, 0.5
COMPANIES = {"acme-dk": "8eb648ab-464b-42a0-ba17-eda703657e33", "acme-se": "12abc3d4-e567-890e-1234-abc56e78fabc"}


class Machine:
    """A folder like a checkout with its environments, next to a Meltano project and the example fleet file."""

    def __init__(self, folder: Path, pleo: Sandbox, server: Postgres) -> None:
        self.folder, self.pleo, self.server = folder, pleo, server
        # The Meltano project's plugins are linked.
        MeltanoProject(folder)
        for name in (".venv", ".venv-fleet"):
            (folder / name).symlink_to(CHECKOUT / name)
        example = (CHECKOUT / "fleet" / "fleet.example.yml").read_text("utf-8")
        for company_id in COMPANIES.values():
            example = example.replace(company_id, str(pleo.add_job(items=5).record["companyId"]))
        # The places of secrets, and Pleo's addresses.
        example = example.replace("/run/secrets", str(folder / "secrets")).replace("/var/lib/pleo", str(folder))
        example = example.replace("  partner:\n", f"  partner:\n    auth_url: {pleo.auth_url}\n")
        (folder / "fleet").mkdir()
        (folder / "fleet" / "fleet.example.yml").write_text(
            example.replace("settings: {}  ", f"settings: {{api_url: '{pleo.url}'}}  ")
        )
        secrets = {
            "pleo/acme-dk": pleo.api_key,
            "pleo/partner-refresh-token": pleo.refresh_token,
            "pleo-webhooks/acme-dk": WEBHOOK_SECRET,
            "pleo-webhooks/partner": WEBHOOK_SECRET,
        }
        for name, secret in secrets.items():
            (folder / "secrets" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "secrets" / name).write_text(f"{secret}\n")
        for database in ("guide_warehouse", "guide_meltano", "guide_dagster"):
            server.create_database(database)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **environment_without_settings("PLEO", "DAGSTER"),
            "NO_PROXY": "127.0.0.1",
            "XDG_STATE_HOME": str(self.folder / "state"),
            "PLEO_CLIENT_ID": self.pleo.client_id,
            "PLEO_CLIENT_SECRET": self.pleo.client_secret,
            "PLEO_FLEET": str(self.folder / "fleet.yml"),
            "DAGSTER_HOME": str(self.folder / "dagster"),
        }

    def start(self, script: str, log: IO[str], **variables: str) -> subprocess.Popen[str]:
        """Start a script, whose background processes remain after its end."""
        return subprocess.Popen(
            ["bash", "-ec", script],
            cwd=self.folder,
            env=self.environment | variables,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )

    def fleet(self, *command: str, **variables: str) -> str:
        return subprocess.check_output(
            [BIN / command[0], *command[1:]], cwd=self.folder, env=self.environment | variables, text=True
        )

    def state(self) -> dict[str, str]:
        rows = json.loads(self.fleet("dagster-pleo-export", "status", "--json"))
        return {row["company"]: row["state"] for row in rows}


def wait(happened: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < until, log.read_text("utf-8")
        time.sleep(POLL_SECONDS)


@pytest.fixture(scope="module")
def machine(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Sandbox() as pleo:
        yield Machine(tmp_path_factory.mktemp("machine"), pleo, server)


def test_one_machine(machine: Machine) -> None:
    installing, script = printed("fleet.md", "one-machine.sh").split("\n", 1)
    assert installing.startswith("make ")
    # Pleo's addresses are not secrets, but the databases' places are here.
    warehouse, meltano = (f"'{machine.server.url(name)}'" for name in ("guide_warehouse", "guide_meltano"))
    script = script.replace("/var/lib/dagster", str(machine.folder / "dagster"))
    script = script.replace("SQLALCHEMY_URL=...", f"SQLALCHEMY_URL={warehouse}")
    script = script.replace("URI=postgresql+psycopg://...", f"URI={meltano}")
    log = machine.folder / "log"
    with log.open("w") as output:
        process = machine.start(script, output)
        try:
            assert process.wait(SECONDS) == 0, log.read_text()
            assert "2 companies, 2 credentials, 0 problems" in log.read_text()
            assert "not asked yet" in log.read_text()
            wait(lambda: set(machine.state().values()) == {"success"}, log)
            wait(lambda: "Serving dagster-webserver on http://127.0.0.1:" in log.read_text(), log)
            webhook = log.read_text().split("Listening on ")[1].split()[0]
            refused = requests.post(f"{webhook}/acme-dk", data="{}", timeout=10)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)

    assert refused.status_code == 401
    with machine.server.connect("guide_warehouse") as connection:
        assert loaded_keys(connection, "export_items") == dict.fromkeys(expected_items(machine.pleo), 1)


def test_dagsters_storage_in_postgresql(machine: Machine) -> None:
    home = machine.folder / "dagster-postgres"
    home.mkdir()
    instance = machine.fleet("dagster-pleo-export", "instance")
    (home / "dagster.yaml").write_text(instance + printed("fleet.md", "dagster.yaml"))
    url = machine.server.url("guide_dagster").replace("+psycopg:", "+psycopg2:")

    machine.fleet("dagster", "instance", "migrate", DAGSTER_HOME=str(home), DAGSTER_POSTGRES_URL=url)

    with machine.server.connect("guide_dagster") as connection:
        assert connection.execute("select to_regclass('run_tags')").fetchone() == ("run_tags",)


def test_a_worker_on_celery(machine: Machine) -> None:
    home = machine.folder / "dagster-celery"
    home.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fleet = yaml.safe_load((machine.folder / "fleet" / "fleet.example.yml").read_text())
    fleet |= yaml.safe_load(printed("fleet.md", "celery.yml"))
    (home / "fleet.yml").write_text(yaml.safe_dump(fleet))
    variables = {"DAGSTER_HOME": str(home), "PLEO_FLEET": str(home / "fleet.yml")}
    variables["PLEO_BROKER"] = f"redis://127.0.0.1:{port}/0"
    (home / "dagster.yaml").write_text(machine.fleet("dagster-pleo-export", "instance", **variables))
    broker = subprocess.Popen(
        [redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", home],
        stdout=subprocess.DEVNULL,
    )
    log = home / "log"
    with log.open("w") as output:
        worker = machine.start(printed("fleet.md", "worker.sh"), output, **variables)
        try:
            wait(lambda: " ready." in log.read_text(), log)
        finally:
            os.killpg(worker.pid, signal.SIGTERM)
            worker.wait()
            broker.terminate()
            broker.wait()

    assert "concurrency: 4" in log.read_text()
