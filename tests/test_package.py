"""The wheel, installed into an empty environment, works without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from tests.conftest import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path


def test_the_wheel_holds_package_and_schemas_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0].split("-")[0] for name in names} == {"tap_pleo_export"}
    schemas = {path.name for path in (CHECKOUT / "schemas").glob("*.json")}
    assert {name.rpartition("/")[2] for name in names if "/schemas/" in name} == schemas


def test_discovery_works_from_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    constraints = ["-c", str(CHECKOUT / "constraints.txt")]
    subprocess.run([python, "-m", "pip", "install", "-q", *constraints, wheel], check=True, capture_output=True)

    run = subprocess.run(
        [environment / "bin" / "tap-pleo-export", "--discover"],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
    )

    assert [entry["tap_stream_id"] for entry in json.loads(run.stdout)["streams"]] == [
        "export_jobs",
        "export_job_items",
        "export_items",
    ]
