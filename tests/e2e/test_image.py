"""The container image's parts without a container: its entry point, project and plugins."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sandbox import Sandbox
from tests.conftest import CHECKOUT
from tests.e2e.conftest import PLUGINS
from tests.helpers.guides import printed
from tools.expectation import expected_items, loaded_keys
from tools.meltano import MELTANO, environment_without_settings
from tools.postgres import Postgres

IMAGE = CHECKOUT / "image"
DOCKERFILE = (IMAGE / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
PROJECT = yaml.safe_load((IMAGE / "meltano.yml").read_text("utf-8"))
_, CONTAINER = printed("operating.md", "container.sh").rstrip().split(" tap-pleo-export ")
# Every Python process notes where it connects to, and which names it looks up.
AUDIT = """
import os, sys
def note(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple) or event == "socket.getaddrinfo":
        host, port = arguments[1][:2] if event == "socket.connect" else arguments[:2]
        host = host.decode() if isinstance(host, bytes) else host
        file = os.open(os.environ["CONNECTIONS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(file, f"{host} {port}\\n".encode())
        os.close(file)
sys.addaudithook(note)
"""


def test_every_plugin_of_the_images_project_is_installed() -> None:
    installed = {
        name for names in re.findall(r"meltano install ([a-z -]+?)(?=&&)", DOCKERFILE) for name in names.split()
    }
    project = {plugin["name"] for kind in PROJECT["plugins"].values() for plugin in kind}
    mappings = {m["name"] for plugin in PROJECT["plugins"]["mappers"] for m in plugin["mappings"]}
    run = {part for job in PROJECT["jobs"] for task in job["tasks"] for part in task.split()}

    assert installed == project
    assert run <= project | mappings


def test_build_and_run_name_the_same_package() -> None:
    named = re.findall(r"PLEO_EXPORT_PACKAGE=(\S+)", DOCKERFILE)

    assert (len(named), len(set(named))) == (2, 1)


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A folder like the image's `/opt/plugins`, which starts the checkout's executables."""
    for plugin in PLUGINS:
        binaries = CHECKOUT / ".meltano" / plugin / "venv" / "bin"
        folder = tmp_path / "plugins" / plugin / "venv" / "bin"
        folder.mkdir(parents=True)
        for executable in [*binaries.glob("tap-*"), *binaries.glob("target-*"), *binaries.glob("map-*")]:
            # Meltano hides PYTHONPATH from plugins.
            script = folder / executable.name
            script.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "audit"} exec {executable} "$@"\n')
            script.chmod(0o755)
    return tmp_path / "plugins"


@pytest.fixture
def entrypoint(tmp_path: Path, plugins: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the entry point with the image's variables."""
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "sitecustomize.py").write_text(AUDIT)
    project = tmp_path / "project"
    project.mkdir()
    (project / "meltano.yml").write_bytes((IMAGE / "meltano.yml").read_bytes())
    inherited = environment_without_settings("PLEO_EXPORT", "PIP_")
    image = dict(
        re.findall(r"^(?:ENV)? +([A-Z_]+)=(\S+)", DOCKERFILE.rpartition("FROM")[2].replace("  ", "\n "), re.MULTILINE)
    )
    places = {
        "PATH": f"{Path(MELTANO).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "state"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "MELTANO_PROJECT_ROOT": str(project),
        "MELTANO_SYS_DIR_ROOT": str(tmp_path / "state" / "meltano"),
        "PLUGINS": str(plugins),
        "PYTHONPATH": str(tmp_path / "audit"),
        "CONNECTIONS": str(tmp_path / "connections"),
        "NO_PROXY": "127.0.0.1",
    }
    assert image.keys() >= {"MELTANO_CLI_LOG_FORMAT", "PLEO_EXPORT_PACKAGE"}

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", IMAGE / "entrypoint.sh", *arguments],
            cwd=project,
            env=inherited | image | places | settings,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (CONTAINER, "run --no-install pleo-to-postgres"),
        ("--environment=sandbox run --full-refresh run", "--environment=sandbox run --no-install --full-refresh run"),
        ("invoke tap-pleo-export --test", "invoke --no-install tap-pleo-export --test"),
        ("--environment sandbox run tap", "--environment sandbox run --no-install tap"),
        ("--version", "--version"),
    ],
)
def test_no_command_of_the_image_installs(
    entrypoint: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, given: str, passed: str
) -> None:
    (tmp_path / "meltano").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "meltano").chmod(0o755)

    assert entrypoint(*given.split(), PATH=f"{tmp_path}:{os.environ['PATH']}").stdout == f"{passed}\n"


def test_a_run_of_the_image_connects_only_to_pleo_and_the_database(
    entrypoint: Callable[..., subprocess.CompletedProcess[str]],
    plugins: Path,
    postgres: Postgres,
    database: str,
    tmp_path: Path,
) -> None:
    before = sorted(plugins.rglob("*"))
    with Sandbox.demo() as pleo:
        expected = expected_items(pleo)
        done = entrypoint(
            "run",
            "pleo-to-postgres",
            TAP_PLEO_EXPORT_API_URL=pleo.url,
            TAP_PLEO_EXPORT_API_KEY=pleo.api_key,
            TARGET_POSTGRES_SQLALCHEMY_URL=postgres.url(database),
        )

    assert done.returncode == 0, done.stdout + done.stderr
    with postgres.connect(database) as connection:
        assert loaded_keys(connection, "export_items") == dict.fromkeys(expected, 1)
    host, port = pleo.url.removeprefix("http://").split(":")
    assert set((tmp_path / "connections").read_text().splitlines()) == {f"{host} {port}"}
    assert sorted(plugins.rglob("*")) == before
