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
from tests.e2e.test_documented_commands import printed
from tools.expectation import expected_items, loaded_keys, loaded_sums, wallet_sums
from tools.meltano import MELTANO, environment_without_settings
from tools.postgres import Postgres

README = (CHECKOUT / "README.md").read_text("utf-8")
ALL_PLUGINS = (CHECKOUT / "docs" / "meltano.md").read_text("utf-8")
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

    def meltano(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        more = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "XDG_STATE_HOME": str(self.folder / "logs")}
        done = subprocess.run(
            [MELTANO, *arguments],
            cwd=self.folder,
            env=environment_without_settings("PLEO_EXPORT") | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )
        self._outputs.add(f"meltano {arguments[0]}", done.stdout.encode(), done.stderr.encode())
        assert done.returncode == code, done.stdout + done.stderr
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

        tested = project.meltano("invoke", "tap-pleo-export", "--test")
        assert f"Connected to {sandbox.url}" in tested.stderr
        assert "RECORD" not in tested.stdout

        loaded = project.meltano("run", "tap-pleo-export", "pleo-validate", "target-postgres")
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
    project = Elsewhere(tmp_path, outputs, **settings(pleo, spaced, ""), TARGET_JSONL_DESTINATION_PATH=str(destination))
    commands = re.findall(r"^meltano add (.*)$", ALL_PLUGINS, re.MULTILINE)
    assert len(commands) > 2
    for command in commands:
        project.meltano("add", *shlex.split(command.replace("$PLUGINS", str(spaced.parent / "plugins"))))
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
    project = Elsewhere(tmp_path, outputs, **settings(pleo, wheel, postgres.url(database)))
    block = printed("../README.md", "minimal: meltano.yml")
    assert block.count("\n") <= MAX_LINES
    (tmp_path / "meltano.yml").write_text(block, "utf-8")

    commands = re.findall(r"^meltano (install|invoke .*?|run .*?)(?: +#.*)?$", README, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["install", "invoke", "run"]
    for command in commands:
        project.meltano(*command.split())

    with postgres.connect(database) as connection:
        assert loaded_keys(connection, "export_items") == dict.fromkeys(expected_items(pleo), 1)
        # The next run has the state of the first.
        pleo.add_job(items=2)
        before = len(pleo.requests_to("/v3/export-items"))
        project.meltano(*commands[-1].split())
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
