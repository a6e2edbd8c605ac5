"""The wheel, installed into an empty environment, works without the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tools import release


def test_the_wheel_contains_only_package_and_schemas(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0].split("-")[0] for name in names} == {"tap_pleo_export"}
    schemas = {path.name for path in (CHECKOUT / "schemas").glob("*.json")}
    assert {name.rpartition("/")[2] for name in names if "/schemas/" in name} == schemas
    page = {path.name for path in (CHECKOUT / "tap_pleo_export" / "blocked_report" / "page").iterdir()}
    assert {name.rpartition("/")[2] for name in names if "/blocked_report/page/" in name} == page


@pytest.mark.parametrize("distribution", ["wheel", "fleet_wheel"])
def test_every_link_of_the_readme_works_on_a_package_index(distribution: str, request: pytest.FixtureRequest) -> None:
    archive = zipfile.ZipFile(request.getfixturevalue(distribution))
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    readme = archive.read(metadata).decode()
    links = re.findall(r"(?<=\]\()[^)]+|(?<=src=\")[^\"]+|(?<=srcset=\")[^\"]+", readme)

    assert links
    assert [link for link in links if not link.startswith("https://")] == []
    # Those into the repository lead to files of the version.
    for version, path in re.findall(r"/tap-pleo-export/(?:blob/)?v([\d.]+)/([^#\s]+)", "\n".join(links)):
        assert version == release.version()
        assert (CHECKOUT / path).exists()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The executables of an environment with the wheel and its dependencies, without extras."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    constraints = ["-c", str(CHECKOUT / "constraints.txt")]
    subprocess.run([python, "-m", "pip", "install", "-q", *constraints, wheel], check=True, capture_output=True)
    return environment / "bin"


def run_in(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a folder, without the caller's settings."""
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, check=False, capture_output=True, cwd=folder, env=environment, input=b"")


def test_discovery_works_from_an_installed_wheel(installed: Path, tmp_path: Path) -> None:
    run = run_in(tmp_path, installed / "tap-pleo-export", "--discover")

    assert run.returncode == 0
    assert [entry["tap_stream_id"] for entry in json.loads(run.stdout)["streams"]] == [
        "export_jobs",
        "export_job_items",
        "export_items",
    ]


def test_the_report_asks_for_its_extra(installed: Path, tmp_path: Path) -> None:
    run = run_in(tmp_path, installed / "pleo-export-report", "--output", "report.html", "-")

    assert run.returncode == 1
    assert run.stderr.decode() == ("pleo-export-report: jinja2 is not installed: pip install babel jinja2 sqlalchemy\n")


@pytest.mark.parametrize("name", ["pleo-export-book", "pleo-export-files"])
def test_booking_asks_for_its_extra(installed: Path, tmp_path: Path, name: str) -> None:
    run = run_in(tmp_path, installed / name, "--config", "books.toml")

    assert run.returncode == 1
    assert run.stderr.decode() == f"{name}: psycopg is not installed: pip install 'psycopg[binary]'\n"


@pytest.mark.parametrize(
    "name",
    [
        *("tap-pleo-export", "map-pleo-validation", "target-pleo-export", "map-pleo-attachments"),
        *("pleo-export-report", "pleo-export-book", "pleo-export-files"),
    ],
)
def test_the_wheel_runs_from_a_zip(wheel: Path, tmp_path: Path, name: str) -> None:
    """The command's entry point, from the wheel itself; its version comes from the installed package."""
    (entry,) = entry_points(group="console_scripts", name=name)
    arguments = ["--help"] if name.startswith("pleo-export-") else ["--about", "--format=json"]
    code = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); sys.argv = {[name, *arguments]!r}; "
        f"from {entry.module} import {entry.attr} as main; import tap_pleo_export.blocked_report.causes; "
        f"assert '.whl' in tap_pleo_export.__file__; sys.exit(main())"
    )

    run = run_in(tmp_path, sys.executable, "-c", code)

    assert run.returncode == 0, run.stderr.decode()
    assert name in run.stdout.decode()
