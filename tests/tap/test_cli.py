"""The command line: about, discovery, connection test, settings from the environment, and mistakes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from tap_pleo_export.tap.plugin import TapPleoExport
from tests.conftest import Outputs, finish
from tests.tap.conftest import RunTap, StartTap

OAUTH = {
    "client_id": "id-1",
    "client_secret": "planted-secret-1",
    "refresh_token": "planted-secret-2",
    "token_file": "t",
}
NO_KEY: dict[str, Any] = {"api_key": None}
DEPTH = 200_000  # Python 3.13 reads 5,000
NESTED = f'{{"bookmarks":{"[" * DEPTH}{"]" * DEPTH}}}'
ONE_OF = "Set exactly one of 'api_key', 'access_token'"

MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no credentials": (NO_KEY, [f"No credentials. {ONE_OF}"]),
    "two credentials": (
        {"access_token": "planted-secret-3"},
        [f"Too many credentials: 'api_key', 'access_token'. {ONE_OF}"],
    ),
    "an incomplete credential": (NO_KEY | OAUTH | {"client_secret": ""}, ["Setting 'client_secret' is missing"]),
    "a secret that is a number": ({"api_key": 987654321987}, ["Setting 'api_key': must be text"]),
    "a secret with a line break": (
        {"api_key": "planted-secret-4\n"},
        ["Setting 'api_key': must be text without blanks"],
    ),
    "mistakes of all kinds": (
        {"page_size": 0, "company_id": "acme", "api_url": "https://pleo.io/v3", "access_token": "planted-secret-6"},
        ["Setting 'page_size'", "Setting 'company_id'", "Setting 'api_url' must end", "Too many credentials"],
    ),
}


def declared_settings() -> dict[str, Any]:
    TapPleoExport.append_builtin_config(TapPleoExport.config_jsonschema)
    settings: dict[str, Any] = TapPleoExport.config_jsonschema["properties"]
    return settings


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_before_any_request(pleo: Sandbox, run_tap: RunTap, mistake: str) -> None:
    settings, expected = MISTAKES[mistake]

    run = run_tap(**settings)

    assert run.returncode == 1
    assert pleo.requests == []
    assert run.stdout == b""
    assert "Traceback" not in run.stderr
    lines = run.errors
    assert len(lines) == len(expected) + 1
    for phrase in expected:
        assert any(line.startswith(phrase) for line in lines), lines
    assert lines[-1] == "Config validation failed"
    assert "planted-secret" not in run.stderr
    assert "987654321987" not in run.stderr


@pytest.mark.parametrize("option", ["--test", "--test=schema"])
def test_a_mistake_is_named_by_the_connection_test_too(run_tap: RunTap, option: str) -> None:
    run = run_tap(option, page_size=0)

    assert run.returncode == 1
    assert run.errors == ["Setting 'page_size': 0 is less than the minimum of 1"]


def test_a_misspelt_setting_is_pointed_out(run_tap: RunTap) -> None:
    run = run_tap(page_sise=10)

    assert run.returncode == 0
    assert run.warnings == ["Setting 'page_sise' does not exist and is ignored, did you mean 'page_size'?"]


def test_discovery_needs_neither_network_nor_credentials(pleo: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("--discover", api_key=None)

    assert run.returncode == 0
    assert pleo.requests == []
    streams = json.loads(run.stdout)["streams"]
    assert {entry["tap_stream_id"]: entry["key_properties"] for entry in streams} == {
        "export_jobs": ["id"],
        "export_job_items": ["exportJobId", "accountingEntryId"],
        "export_items": ["jobId", "accountingEntryId"],
    }
    assert {entry["replication_method"] for entry in streams} == {"FULL_TABLE"}


def test_a_catalog_that_is_not_utf_8_is_refused_in_one_line(run_tap: RunTap, tmp_path: Path) -> None:
    catalog = tmp_path / "latin.json"
    catalog.write_bytes('{"streams": "é"}'.encode("latin-1"))

    run = run_tap("--catalog", str(catalog))

    assert run.returncode == 1
    assert run.stderr.strip().splitlines()[-1] == f"Error: --catalog: {catalog} does not contain a JSON object"
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_about_names_every_setting(run_tap: RunTap, form: str) -> None:
    run = run_tap("--about", *([] if form == "text" else [f"--format={form}"]), api_key=None)

    assert run.returncode == 0
    text = run.stdout.decode()
    names = {"api_url", "token_file", "item_statuses", "max_requests_per_minute", "user_agent", "stream_maps"}
    assert names == {name for name in names if name in text}
    assert "activate-version" not in text
    assert "batch" not in text


def test_the_connection_test_reads_a_record_of_each_stream(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=30)

    run = run_tap("--test", page_size=10)

    assert run.returncode == 0
    assert run.stdout == b""
    counted = [line for line in run.log("INFO") if '"metric":"record_count"' in line]
    assert [json.loads(line.removeprefix("METRIC: "))["value"] for line in counted] == [1, 1, 1]
    assert run.log("INFO")[-1] == f"Connected to {pleo.url}: 1 export job(s)"
    assert len(pleo.requests_to("/v3/export-items")) == 1


def test_the_connection_test_of_an_account_without_jobs_succeeds(pleo: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("--test")

    assert run.returncode == 0
    assert run.log("INFO")[-1] == f"Connected to {pleo.url}: 0 export job(s)"


def test_the_connection_test_fails_on_wrong_credentials(run_tap: RunTap) -> None:
    run = run_tap("--test", api_key="planted-secret-5")

    assert run.returncode == 1
    assert run.errors[0].startswith("Pleo rejected the credentials")


def test_the_connection_test_reports_a_job_that_cannot_be_read(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=3)
    refusal = {"type": "MISSING_CONTRA_ACCOUNTS", "message": "Contra accounts missing."}
    pleo.add_fault(Fault(path="/v3/export-items", status=400, body=refusal, nth=None))

    run = run_tap("--test")

    assert run.returncode == 1
    assert f"Export job {job.id}: skipped, MISSING_CONTRA_ACCOUNTS" in run.errors[0]


def test_settings_come_from_the_environment(pleo: Sandbox, run_tap: RunTap) -> None:
    wanted, _other = pleo.add_job(items=3), pleo.add_job(items=3)
    environment = {
        "TAP_PLEO_EXPORT_API_URL": pleo.url,
        "TAP_PLEO_EXPORT_API_KEY": pleo.api_key,
        "TAP_PLEO_EXPORT_PAGE_SIZE": "2",
        "TAP_PLEO_EXPORT_JOB_IDS": json.dumps([wanted.id]),
    }

    run = run_tap("--config=ENV", env=environment, api_url=None, api_key=None)

    assert run.returncode == 0
    assert {record["jobId"] for record in run.records()} == {wanted.id}
    assert len(pleo.requests_to("/v3/export-items")) == 2


@pytest.mark.parametrize("place", ["null", "empty", "environment"])
def test_null_or_empty_settings_are_unset(
    pleo: Sandbox, start_tap: StartTap, outputs: Outputs, tmp_path: Path, place: str
) -> None:
    pleo.add_job(items=3)
    config = tmp_path / "nothing.json"
    names = set(declared_settings()) - {"api_url", "api_key", "max_retries"}
    config.write_text(json.dumps({} if place == "environment" else dict.fromkeys(names, {"null": None}.get(place, ""))))
    env = {f"TAP_PLEO_EXPORT_{name.upper()}": "" for name in names} if place == "environment" else {}

    run = finish(start_tap("--config", str(config), "--config=ENV", env=env), outputs)

    assert (run.returncode, run.warnings) == (0, [])
    assert len(run.records()) == 3


def test_mistakes_of_file_and_environment_are_named_together(run_tap: RunTap) -> None:
    run = run_tap("--config=ENV", env={"TAP_PLEO_EXPORT_PAGE_SIZE": "many"}, company_id="acme")

    assert run.returncode == 1
    assert len(run.errors) == 3
    assert run.errors[0].startswith("Setting 'company_id': 'acme'")
    assert run.errors[1] == (
        "Environment variable TAP_PLEO_EXPORT_PAGE_SIZE (setting 'page_size') must be a whole number"
    )


@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("--config", None),
        ("--config", "{"),
        ("--config", NESTED),
        ("--state", None),
        ("--state", "[]"),
        ("--state", NESTED),
        ("--catalog", "{"),
        ("--catalog", NESTED),
    ],
    ids=lambda value: value and value[:10],
)
def test_a_file_that_cannot_be_read_is_named(run_tap: RunTap, tmp_path: Path, option: str, content: str | None) -> None:
    path = tmp_path / "given.json"
    if content is not None:
        path.write_text(content)

    run = run_tap(option, str(path))

    assert run.returncode > 0
    assert option in run.stderr
    assert "Traceback" not in run.stderr


def test_the_user_agent_names_connector_and_version(pleo: Sandbox, run_tap: RunTap) -> None:
    run_tap()
    run_tap(user_agent="acme-bot/2")

    assert re.fullmatch(r"tap-pleo-export/\d+\.\d+\.\d+", pleo.requests[0].user_agent)
    assert pleo.requests[-1].user_agent == "acme-bot/2"


def test_a_reader_that_goes_away_ends_the_run_in_one_line(pleo: Sandbox, start_tap: StartTap, outputs: Any) -> None:
    pleo.add_job(items=200)

    process = start_tap()
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()

    outputs.add("stderr", stderr)
    assert process.wait() == 1
    assert b"the process that reads this tap's output has ended" in stderr
    assert b"Traceback" not in stderr


def test_a_reader_that_is_gone_before_the_first_schema_is_a_failure(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=2)
    reading, writing = os.pipe()
    # Gone before the tap is there.
    os.close(reading)

    run = run_tap(stdout=writing)
    os.close(writing)

    assert run.returncode == 1
    assert run.stderr.count("the process that reads this tap's output has ended") == 1
    assert "Traceback" not in run.stderr
    assert pleo.requests == []


def test_dotenv_is_read_and_yields_to_the_environment(pleo: Sandbox, run_tap: RunTap, tmp_path: Path) -> None:
    pleo.add_job(items=3)
    (tmp_path / ".env").write_text(
        f"TAP_PLEO_EXPORT_API_URL={pleo.url}\nTAP_PLEO_EXPORT_API_KEY={pleo.api_key}\nTAP_PLEO_EXPORT_PAGE_SIZE=3\n"
    )

    run = run_tap("--config=ENV", env={"TAP_PLEO_EXPORT_PAGE_SIZE": "2"}, api_url=None, api_key=None)

    assert run.returncode == 0
    assert len(run.records()) == 3
    assert len(pleo.requests_to("/v3/export-items")) == 2
