"""The command as Meltano runs it: settings refused at once, nothing of a link in a log, no credentials to anyone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.conftest import BIN, Outputs
from tests.helpers.attachments import items_schema, run, with_files
from tests.helpers.mapper import item, record, state


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ({}, ["Setting 'destination' is missing: name a folder, or a URL like file:///srv/receipts, "]),
        (
            {"destination": "", "keep_urls": "no", "timeout": 0, "max_file_bytes": 1.5, "on_failure": "skip"},
            [
                "Setting 'keep_urls': expected true or false",
                "Setting 'max_file_bytes': expected a whole number",
                "Setting 'on_failure': unknown value 'skip'",
                "Setting 'timeout': 0 is less than the minimum of 1",
                "Setting 'destination' is missing",
            ],
        ),
        ({"destination": "ftp://host/x"}, ["Setting 'destination' is not a valid destination"]),
        ({"destination": "file://receipts"}, ["Setting 'destination': file:// takes an absolute path"]),
        ({"destination": "s3://"}, ["Setting 'destination' names no bucket"]),
        ({"destination": "s3://key:hushhush@bucket/x"}, ["Setting 'destination' must not contain credentials"]),
        ({"destination": "az://c/x"}, ["Setting 'destination' cannot be used as a store"]),
        ({"destination": "/proc/receipts"}, ["Setting 'destination': files cannot be written there ("]),
        (
            {"destination": "gs://b", "endpoint": "minio:9000", "allow_hosts": ["a b", "10.0.0.1:80"]},
            [
                "Setting 'endpoint' is not an address like https://minio.example.com",
                "Setting 'endpoint' only applies to s3:// and az://",
                "Setting 'allow_hosts'[0]: 'a b' is not a host name",
                "Setting 'allow_hosts'[1]: '10.0.0.1:80' is not a host name",
            ],
        ),
        (
            {"destination": "s3://b", "endpoint": "http://minio.example"},
            ["Setting 'endpoint' must begin with https://"],
        ),
    ],
)
def test_invalid_settings_are_refused_before_reading(
    tmp_path: Path, settings: dict[str, Any], problems: list[str]
) -> None:
    done = run(items_schema() + state(1), settings, tmp_path)

    *errors, last = done.log("ERROR")
    assert last == "Config validation failed"
    assert done.returncode == 1
    assert done.output.data == b""
    assert [error.startswith(problem) for error, problem in zip(errors, problems, strict=True)] == [True] * len(errors)
    assert "hushhush" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_setting_is_named(config: dict[str, Any], tmp_path: Path) -> None:
    done = run(items_schema(), config | {"keep_url": False}, tmp_path)

    assert done.log("WARNING")[0] == "Setting 'keep_url' does not exist and is ignored, did you mean 'keep_urls'?"


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_links_are_never_logged(
    pleo: Sandbox, config: dict[str, Any], tmp_path: Path, outputs: Outputs, level: str
) -> None:
    hosts = ("127.0.0.1", "a b", "nowhere.invalid")
    refused = [{"url": f"https://{host}/receipts/a?signature=hush"} for host in hosts]
    data = (
        items_schema() + with_files(pleo, 1, "picture.png", "dying.pdf", "empty.pdf") + record(item(2, files=refused))
    )

    done = run(data, config, tmp_path, LOGLEVEL=level)

    outputs.add("stderr", done.stderr.encode())
    assert done.log("WARNING")
    for piece in ("/files/", "signature", "hush", "http:", "nowhere.invalid", "receipts/a", f":{pleo.port}"):
        assert piece not in done.stderr
        assert not any(piece in file.get("storeError", "") for n in (0, 1) for file in done.files(n))


def test_no_credentials_are_sent(pleo: Sandbox, config: dict[str, Any], tmp_path: Path, outputs: Outputs) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login bookkeeper password hushhush\n")
    outputs.secrets.add("hushhush")

    done = run(items_schema() + with_files(pleo, 1, "picture.png"), config, tmp_path, HOME=str(tmp_path))

    (request,) = pleo.requests_to("/files")
    assert request.auth is None
    assert request.user_agent == "map-pleo-attachments/0.1.0"
    assert "storedPath" in done.files()[0]


def test_missing_extra_is_reported(config: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "obstore.py").write_text("raise ImportError\n")

    done = run(items_schema(), config, tmp_path, PYTHONPATH=str(tmp_path))

    assert done.returncode == 1
    assert done.log("ERROR")[:1] == ["The package obstore is not installed: pip install obstore"]


def test_other_plugins_do_not_import_the_extra() -> None:
    code = (
        "import sys, tap_pleo_export.tap.plugin, tap_pleo_export.validation.plugin, tap_pleo_export.target.plugin\n"
        "sys.exit('obstore' in sys.modules or any(m.startswith('tap_pleo_export.attach') for m in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_about() -> None:
    command = [str(BIN / "map-pleo-attachments"), "--about", "--format=json"]

    done = subprocess.run(command, capture_output=True, check=True, timeout=60)

    assert b'"map-pleo-attachments"' in done.stdout
    assert b'"destination"' in done.stdout
    assert b"stream_maps" not in done.stdout
