"""The instructions for another Meltano project, in README.md and docs/meltano.md, followed in an empty folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from demo.report import failing
from sandbox import Sandbox
from tests.conftest import BIN, CHECKOUT, Outputs
from tests.helpers.guides import printed
from tools.expectation import expected_items, loaded_keys, loaded_sums, wallet_sums
from tools.meltano import environment_without_settings
from tools.postgres import Postgres

HEADER = """\
requires_meltano: '>=4.4,<5'
default_environment: dev
send_anonymous_usage_stats: false
environments:
- name: dev
"""
INSTALL_SECONDS = 600
MAX_LINES = 25


class Elsewhere:
    """A Meltano project with its settings in `.env`."""

    def __init__(self, folder: Path, outputs: Outputs, **settings: str) -> None:
        self.folder = folder
        self._outputs = outputs
        (folder / "meltano.yml").write_text(HEADER, "utf-8")
        (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()), "utf-8")

    def add(self, block: str) -> None:
        with (self.folder / "meltano.yml").open("a", encoding="utf-8") as project:
            project.write(block)

    def meltano(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.shell(shlex.join(["meltano", *arguments]))

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        more = {
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "XDG_STATE_HOME": str(self.folder / "logs"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-ec", script],
            cwd=self.folder,
            env=environment_without_settings("PLEO_EXPORT") | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )
        self._outputs.add(script, done.stdout.encode(), done.stderr.encode())
        assert done.returncode == 0, done.stdout + done.stderr
        return done


def settings(sandbox: Sandbox, wheel: Path, database_url: str) -> dict[str, str]:
    pleo = {"API_URL": sandbox.url, "API_KEY": sandbox.api_key}
    return {
        "PLEO_EXPORT_PACKAGE": str(wheel),
        "TARGET_POSTGRES_SQLALCHEMY_URL": database_url,
        **{f"{plugin}_PLEO_EXPORT_{name}": value for plugin in ("TAP", "TARGET") for name, value in pleo.items()},
    }


def test_block_with_all_plugins_works_in_an_empty_project(
    tmp_path: Path, wheel: Path, postgres: Postgres, database: str, outputs: Outputs
) -> None:
    with Sandbox.demo() as sandbox:
        outputs.secrets.add(sandbox.api_key)
        project = Elsewhere(tmp_path, outputs, **settings(sandbox, wheel, postgres.url(database)))
        project.add(printed("meltano.md", "meltano: rendered by tools/docs/tables.py"))
        project.meltano("install")

        loaded = project.shell(printed("meltano.md", "run.sh"))
        assert f"Connected to {sandbox.url}" in loaded.stderr
        assert "RECORD" not in loaded.stdout
        assert "METRIC: export_items record_count 2" in loaded.stderr
        assert "ResourceWarning" not in loaded.stderr
        before = failing(sandbox)
        expected = expected_items(sandbox)
        project.meltano("run", "tap-pleo-export", "pleo-failures", "target-pleo-export")
        marked = failing(sandbox) - before

    with postgres.connect(database) as connection:
        assert loaded_keys(connection, "export_items") == dict.fromkeys(expected, 1)
        assert loaded_sums(connection) == wallet_sums(expected.values())
        statuses = Counter(connection.execute('SELECT "validationStatus" FROM export_items').fetchall())
    assert len(marked) == statuses["failed",] > 0


def test_plugins_are_added_by_one_command_each(tmp_path: Path, wheel: Path, outputs: Outputs, pleo: Sandbox) -> None:
    job = pleo.add_job(items=3)
    spaced = tmp_path / "my plugins" / wheel.name
    spaced.parent.mkdir()
    shutil.copy(wheel, spaced)
    shutil.copytree(CHECKOUT / "plugins", spaced.parent / "plugins")
    destination = tmp_path / "output"
    destination.mkdir()
    project = Elsewhere(
        tmp_path, outputs, **settings(pleo, Path("nowhere"), ""), TARGET_JSONL_DESTINATION_PATH=str(destination)
    )
    # Later lines of `.env` win.
    project.shell(printed("meltano.md", "env.sh").replace("/path/to/tap-pleo-export", str(spaced)))
    assert ".env" in (tmp_path / ".gitignore").read_text("utf-8").splitlines()
    project.shell(printed("meltano.md", "add.sh").replace("/path/to/tap-pleo-export", str(spaced.parent)))
    jsonl = str(CHECKOUT / "plugins" / "target-jsonl.yml")
    project.meltano("add", "--plugin-type", "loader", "--from-ref", jsonl, "target-jsonl")

    project.meltano("run", "tap-pleo-export", "target-jsonl")

    lines = (destination / "export_items.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["jobId"] for line in lines} == {job.id}
    assert len(lines) == 3


def test_the_readmes_first_load_works_as_printed(
    tmp_path: Path, wheel: Path, postgres: Postgres, database: str, outputs: Outputs, pleo: Sandbox
) -> None:
    pleo.add_job(items=3)
    project = Elsewhere(tmp_path, outputs)
    values = {
        "/path/to/tap-pleo-export": str(wheel),
        "...": pleo.api_key,
        "postgresql+psycopg://user:password@host/database": f"'{postgres.url(database)}'",
    }
    environment = printed("../README.md", ".env") + f"TAP_PLEO_EXPORT_API_URL={pleo.url}\n"
    for placeholder, value in values.items():
        assert environment.count(f"={placeholder}\n") == 1
        environment = environment.replace(f"={placeholder}\n", f"={value}\n")
    (tmp_path / ".env").write_text(environment, "utf-8")
    block = printed("../README.md", "minimal: meltano.yml")
    assert block.count("\n") <= MAX_LINES
    (tmp_path / "meltano.yml").write_text(block, "utf-8")

    commands = printed("../README.md", "first-load.sh")
    project.shell(commands)

    with postgres.connect(database) as connection:
        assert loaded_keys(connection, "export_items") == dict.fromkeys(expected_items(pleo), 1)
        # The next run has the state of the first.
        pleo.add_job(items=2)
        before = len(pleo.requests_to("/v3/export-items"))
        project.shell(commands.splitlines()[-1])
        assert loaded_keys(connection, "export_items") == dict.fromkeys(expected_items(pleo), 1)
    assert len(pleo.requests_to("/v3/export-items")) == before + 1


def test_the_readmes_pipe_works_as_printed(tmp_path: Path, pleo: Sandbox) -> None:
    pleo.add_job(items=3)
    script = printed("../README.md", "pipe.sh").replace("=...", f"={pleo.api_key}")

    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment_without_settings("PLEO_EXPORT")
        | {"PATH": f"{BIN}:{os.environ['PATH']}", "TAP_PLEO_EXPORT_API_URL": pleo.url, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert re.search(r"\b3  ready to book\b", done.stdout)
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")
