"""A fault of the program itself: one line with its place and no values; the traceback only at DEBUG."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox
    from tests.tap.conftest import RunTap

# A stand-in for an unknown fault: at a place, it raises what quotes a secret.
PLANTED = """
import sys
from tap_pleo_export.{module} import {owner}
from tap_pleo_export.tap.plugin import cli
secret = sys.argv.pop()
def fault(*_, **__):
    raise KeyError(secret)
{owner}.{method} = fault
cli()
"""
PLACES = {
    "while streams are synced": ("tap.run_reader", "RunReader", "settle_ended_jobs"),
    "between pages": ("tap.job_reader", "JobReader", "_batch"),
    "before any stream": ("tap.bookmarks", "Bookmarks", "to_state"),
    "while settings are read": ("tap.plugin", "TapPleoExport", "discover_streams"),
}


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
@pytest.mark.parametrize("place", PLACES)
def test_a_program_error_is_one_line(
    pleo: Sandbox, environment: dict[str, str], tmp_path: Path, place: str, level: str
) -> None:
    pleo.add_job(items=3)
    module, owner, method = PLACES[place]
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_url": pleo.url, "api_key": pleo.api_key}))
    code = PLANTED.format(module=module, owner=owner, method=method)

    run = subprocess.run(
        [sys.executable, "-c", code, "--config", str(config), pleo.api_key],
        capture_output=True,
        env=environment | {"LOGLEVEL": level},
        cwd=tmp_path,
        timeout=60,
        check=False,
    )

    assert run.returncode == 1
    lines = run.stderr.decode().splitlines()
    (error,) = (line for line in lines if " | ERROR " in line)
    assert "Program error: KeyError in tap_pleo_export." in error
    assert error.endswith("Run again with LOGLEVEL=DEBUG and report the traceback")
    assert ("Traceback (most recent call last)" in run.stderr.decode()) is (level == "DEBUG")
    assert pleo.api_key not in run.stderr.decode()
    assert all(json.loads(line) for line in run.stdout.splitlines())


def test_an_invalid_log_level_is_not_a_program_error(run_tap: RunTap) -> None:
    run = run_tap(env={"LOGLEVEL": "chatty"})

    assert (run.returncode, run.stderr) == (1, "Error: LOGLEVEL or SINGER_SDK_LOG_CONFIG: Unknown level: 'CHATTY'\n")
