"""Both wheels, installed into a folder, with the dependencies of ``.venv-fleet``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.fleet import BIN

PROBE = """
import importlib.util, json
import dagster_pleo_export, tap_pleo_export
from dagster_pleo_export.definitions import definitions
print(json.dumps({
    "files": [dagster_pleo_export.__file__, tap_pleo_export.__file__],
    "sensors": sorted(sensor.name for sensor in definitions.sensors),
    "foreign": [name for name in ("demo", "fleet", "sandbox", "tests", "tools") if importlib.util.find_spec(name)],
}))
"""


@pytest.fixture(scope="module")
def installed(wheel: Path, fleet_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    packages = tmp_path_factory.mktemp("wheels") / "packages"
    install = (BIN / "python", "-m", "pip", "install", "-q", "--no-deps", "--target", packages, wheel, fleet_wheel)
    subprocess.run(install, check=True, capture_output=True)
    return packages


def run(installed: Path, folder: Path, *command: str | Path) -> str:
    (folder / "fleet.yml").write_text(
        yaml.safe_dump({"companies": [{"id": "acme"}], "credentials": {"acme": {"api_key": {"env": "KEY"}}}})
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(installed),
        "DAGSTER_HOME": str(folder),
        "KEY": "fake-key-of-the-wheel-test",
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_definitions_load_from_the_wheels_and_nothing_else_of_the_checkout_does(
    installed: Path, tmp_path: Path
) -> None:
    found = json.loads(run(installed, tmp_path, BIN / "python", "-c", PROBE))

    assert [file.startswith(f"{installed}/") for file in found["files"]] == [True, True]
    assert found["sensors"] == ["alerts", "discovery"]
    assert found["foreign"] == []
    top = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} - {"bin"}
    assert top == {"dagster_pleo_export", "tap_pleo_export"}


def test_the_command_checks_a_fleet_file(installed: Path, tmp_path: Path) -> None:
    printed = run(installed, tmp_path, installed / "bin" / "dagster-pleo-export", "check")

    assert printed == "1 companies, 1 credentials, 0 problems\n"
