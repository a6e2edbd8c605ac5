"""Standard output and error of any kind: nothing is lost, and an error of the program is one line."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.conftest import BIN, Outputs, finish
from tests.tap.conftest import RunTap, StartTap

SMALLEST_PIPE = 4096


def test_a_full_nonblocking_pipe_is_waited_for(pleo: Sandbox, start_tap: StartTap, outputs: Outputs) -> None:
    pleo.add_job(items=100)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    os.set_blocking(writing, False)

    process = start_tap(stdout=writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        lines = output.read().splitlines()
    run = finish(process, outputs)

    assert run.returncode == 0, run.stderr
    assert sum(json.loads(line)["type"] == "RECORD" for line in lines) == 1 + 100 + 100


def test_a_full_disk_is_one_line_when_only_schemas_are_asked_for(run_tap: RunTap) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        run = run_tap("--test=schema", stdout=full)

    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert "cannot write to standard output" in run.stderr


def test_a_line_too_long_for_meltano_is_reported(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=1)
    entry = job.items[0]["accountingEntryId"]

    run = run_tap(env={"MELTANO_ELT_BUFFER_SIZE": "2048"})
    quiet = run_tap(env={"MELTANO_ELT_BUFFER_SIZE": "104857600"})

    named = [line for line in run.warnings if f"accountingEntryId {entry}" in line and job.id in line]
    (item,) = [line for line in named if "stream export_items" in line]
    assert "more than Meltano's limit of 1,024: set elt.buffer_size (MELTANO_ELT_BUFFER_SIZE) to " in item
    assert quiet.warnings == []


@pytest.mark.parametrize("option", ["", "--discover", "--test"])
def test_a_closed_output_is_one_line(pleo: Sandbox, environment: dict[str, str], tmp_path: Path, option: str) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_url": pleo.url, "api_key": pleo.api_key}))

    run = subprocess.run(
        ["sh", "-c", f"exec '{BIN}'/tap-pleo-export --config {config} {option} >&-"],
        stderr=subprocess.PIPE,
        env=environment,
        timeout=60,
        check=False,
    )

    assert run.returncode == 1
    (line,) = run.stderr.decode().splitlines()
    assert line.endswith("standard output is closed: connect it to a loader or a file")
    assert pleo.requests == []


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ((), {}),
        (("--test",), {}),
        ((), {"api_key": "wrong"}),
        ((), {"page_size": 0}),
        (("--state", "/dev/null"), {}),
        ((), {"catalog": {"streams": None}}),
        ((), {"catalog": {"streams": [{"tap_stream_id": "export_jobs"}]}}),
    ],
)
def test_nothing_is_left_open(
    pleo: Sandbox, run_tap: RunTap, arguments: tuple[str, ...], settings: dict[str, object]
) -> None:
    pleo.add_job(items=3)

    run = run_tap(*arguments, env={"PYTHONWARNINGS": "default"}, **settings)

    assert "ResourceWarning" not in run.stderr


# Replaces an unknown fault: raises an error that quotes a secret.
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
    "while streams are synced": ("tap.run_reader", "RunReader", "settle"),
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
