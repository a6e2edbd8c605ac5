"""The tutorials, run as printed in an empty folder: each block in order, in one shell."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, TIMEOUT
from tests.helpers.guides import all_printed
from tools.meltano import environment_without_settings

# Tests have no network: what these install is linked from the checkout.
INSTALLING = re.compile(r"^python3 -m venv .venv\n.venv/bin/pip install .*\n", re.MULTILINE)


def follow(blocks: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    script, installing = INSTALLING.subn("", "".join(blocks).replace("/path/to/tap-pleo-export", str(CHECKOUT)))
    assert installing == 1
    (folder / ".venv").symlink_to(CHECKOUT / ".venv")
    done = subprocess.run(
        ["bash", "-c", f"set -em\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n{script}"],
        cwd=folder,
        env=environment_without_settings("PLEO_EXPORT") | {"HOME": str(folder), "NO_PROXY": "127.0.0.1", "LANG": "C"},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "an empty folder"
    made.mkdir()
    return made


def test_first_load(folder: Path) -> None:
    done = follow(all_printed("tutorials/first-load.md", "sh"), folder)

    assert "Connected to http://127.0.0.1:" in done.stderr
    assert '"validationStatus": ' in done.stdout
    assert re.search(r"\d+  ready to book", done.stdout)
    assert {"report.csv", "report.html"} <= {path.name for path in folder.iterdir()}


def test_failed_item(folder: Path) -> None:
    done = follow(all_printed("tutorials/failed-item.md", "sh"), folder)

    update, *failed = [line for line in done.stdout.splitlines() if line.startswith('{"type":"RECORD"')]
    assert '"failureReason":' in update
    assert len(failed) == 3
    assert "nothing was sent: 15 accepted" in done.stderr
    assert "| 15 accepted, 0 already reported" in done.stderr
    assert "| 0 accepted, 15 already reported" in done.stderr
