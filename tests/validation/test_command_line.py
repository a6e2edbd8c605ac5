"""The command as Meltano runs it: exit codes, log lines, signals, pipes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.kinds import KINDS
from tests.conftest import BIN
from tests.helpers.guides import follow, printed
from tests.helpers.mapper import GOOD, ITEM_SCHEMA, Output, failing, item, line, record, schema, state
from tests.helpers.processes import read_until

COMMAND = [sys.executable, "-m", "tap_pleo_export.validation.plugin"]
TIMEOUT = 30


class Run:
    """Run the command to its end."""

    def __init__(self, data: bytes, config: Any, tmp_path: Path, *arguments: str) -> None:
        file = tmp_path / "config.json"
        file.write_text(config if isinstance(config, str) else json.dumps(config))
        command = [*COMMAND, "--config", str(file), *arguments]
        done = subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT, check=False)
        self.returncode, self.output, self.stderr = done.returncode, Output(done.stdout), done.stderr.decode()

    @property
    def summary(self) -> dict[str, Any]:
        (line,) = (text for text in self.log("INFO") if '"metric":"run_summary"' in text)
        point: dict[str, Any] = json.loads(line.removeprefix("METRIC: "))
        assert point["value"] > 0
        del point["tags"]["pid"]
        return dict(point["tags"])

    def log(self, level: str) -> list[str]:
        lines = [text.split(" | ", 3) for text in self.stderr.splitlines()]
        return [parts[3] for parts in lines if len(parts) == 4 and parts[1].strip() == level]


def test_summary_without_failures_is_not_a_warning(tmp_path: Path) -> None:
    run = Run(schema() + record(item()), GOOD, tmp_path)
    assert "export_items: 1 items, 1 passed, 0 failed; no findings" in run.log("INFO")
    assert run.log("WARNING") == []


def test_run_summary_metric(tmp_path: Path) -> None:
    run = Run(schema() + record(item()) + record(failing(2)) + record(item(3, companyId=7)), GOOD, tmp_path)
    assert run.summary == {
        "plugin": "map-pleo-validation",
        "exit_code": 1,
        "items": 3,
        "passed": 1,
        "failed": 2,
        "by_check": {"expense_gl_account": {"failed": 1}, "required_configuration": {"broken": 1}},
    }


def test_run_summary_metric_after_an_error(tmp_path: Path) -> None:
    summary = Run(schema() + record(item()) + b"{", GOOD, tmp_path).summary
    assert (summary["items"], summary["exit_code"]) == (1, 1)


def test_dropped_items_are_counted(tmp_path: Path) -> None:
    run = Run(schema() + record(item()) + record(failing(2)), GOOD | {"on_failure": "drop"}, tmp_path)
    assert run.log("WARNING")[0] == "Dropped 1 failed items (on_failure: drop)"
    assert len(run.output.records()) == 1


def test_failed_item_without_job_id_is_a_warning_and_no_update(tmp_path: Path) -> None:
    nameless = {name: value for name, value in failing().items() if name != "jobId"}
    run = Run(schema() + record(nameless), GOOD | {"emit_updates": True}, tmp_path)
    assert run.log("WARNING")[0] == "No update for 1 failed items without jobId or accountingEntryId"
    assert run.output.records("export_job_item_updates") == []


def test_missing_stream_is_a_warning_that_lists_other_streams(tmp_path: Path) -> None:
    data = schema("export_jobs") + record({"id": "1"}, "pleo_items") + state(1)
    run = Run(data, {}, tmp_path)
    (warning,) = run.log("WARNING")
    assert warning == "No export_items received, so nothing was validated. Streams received: export_jobs, pleo_items"
    assert run.output.data == data


def test_unknown_method_is_one_warning(tmp_path: Path) -> None:
    odd = [record(item(number, bookkeeping={"method": f"ledger_{number}"})) for number in range(3)]
    run = Run(schema() + b"".join(odd), GOOD, tmp_path)
    (warning,) = run.log("WARNING")
    entry = item(0)["accountingEntryId"]
    assert warning == f"Item {entry} has a bookkeeping method unknown to Pleo's API: recorded as journal"
    assert {after["bookkeepingMethod"] for after in run.output.records()} == {"journal"}


def test_malformed_line_ends_the_run_after_everything_before_it(tmp_path: Path) -> None:
    before = schema("other") + record({"id": 1}, "other")
    run = Run(before + b'{"type":"RECORD","iban":"GB33BUKB\n' + state(9), {}, tmp_path)
    assert run.returncode == 1
    assert run.log("ERROR") == ["line 3 of the input is not a JSON object: the tap was cut off, or prints other text"]
    assert run.output.data == before
    assert "GB33BUKB" not in run.stderr
    assert "Traceback" not in run.stderr


def test_all_mistakes_in_settings_are_reported_before_reading(tmp_path: Path) -> None:
    run = Run(b"not even JSON", {"on_failur": "drop", "configuration": [{"companyId": "*", "journal": 100}]}, tmp_path)
    assert run.returncode == 1
    assert run.output.data == b""
    first, second, _ = run.log("ERROR")
    assert first.startswith("config /configuration/0/journal: 100 is not text: write it in quotes")
    assert second.startswith("config /on_failur: unknown setting 'on_failur', did you mean 'on_failure'?")
    assert "Traceback" not in run.stderr


def test_item_counts_once_per_check_and_failures_are_a_warning(tmp_path: Path) -> None:
    line_ = failing()["accountingEntryLines"][0]
    nothing = {"inWalletCurrency": {"currency": "GBP", "value": 0}}
    twice = item(accountingEntryLines=[line_, line_ | {"lineAmount": nothing}])
    run = Run(schema() + record(item(2)) + record(twice) + record(failing(3)), GOOD, tmp_path)
    assert run.returncode == 0
    assert run.log("WARNING") == ["export_items: 3 items, 1 passed, 2 failed; expense_gl_account 2 failed"]


def test_warnings_are_counted_separately(tmp_path: Path) -> None:
    check = {"id": "long_note", "severity": "warning", "schema": {"properties": {"note": {"minLength": 50}}}}
    check |= {"failureReasonType": "validation_failure", "failureReason": "Short."}
    run = Run(schema() + record(item()) + record(failing(2)), GOOD | {"checks": [check]}, tmp_path)
    assert run.log("WARNING") == [
        "export_items: 2 items, 1 passed, 1 failed; long_note 2 warned, expense_gl_account 1 failed"
    ]


def test_likely_mistake_is_a_warning(tmp_path: Path) -> None:
    run = Run(schema(), {"references": {"tags": []}}, tmp_path)
    (warning,) = run.log("WARNING")
    assert warning == "config /references/tags: is empty, so its check fails every code"


@pytest.mark.parametrize("text", ["{", "[1]", '"x"'])
def test_settings_file_that_is_not_an_object(text: str, tmp_path: Path) -> None:
    run = Run(b"", text, tmp_path)
    assert run.returncode == 1
    assert run.stderr.strip().endswith("config.json is not a readable JSON object with settings")
    assert run.stderr.count("\n") == 1


def test_input_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_bytes(schema() + record(item()))
    assert len(Run(b"", GOOD, tmp_path, "--input", str(file)).output.records()) == 1


def test_about_lists_only_supported_settings() -> None:
    done = subprocess.run([*COMMAND, "--about", "--format=json"], capture_output=True, timeout=TIMEOUT, check=True)
    about = json.loads(done.stdout)
    assert about["capabilities"] == ["about", "structured-logging"]
    assert set(about["settings"]["properties"]) >= {
        "configuration",
        "references",
        "checks",
        "on_failure",
        "emit_updates",
    }
    assert "stream_maps" not in about["settings"]["properties"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_ends_the_run_with_exit_code_and_whole_lines(number: int, code: int) -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(schema() + record(item()) + state(1) + record(item(2)))
        process.stdin.flush()
        # STATE comes out without waiting for more input.
        read = read_until(process.stdout, b"\n", 3, TIMEOUT)
        assert json.loads(read.split(b"\n")[2]) == json.loads(state(1))
        process.send_signal(number)
        rest, log = process.communicate(timeout=TIMEOUT)
        assert process.returncode == code
        assert len(Output(read + rest).messages) in (3, 4)
        assert b"Traceback" not in log
        assert f'"exit_code":{code},"items":'.encode() in log


def test_loader_that_stops_reading_is_one_error_line() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
        process.stdout = None
        _, log = process.communicate(schema() + record(item()) * 50 + state(1), timeout=TIMEOUT)
        assert process.returncode == 1
        assert log.decode().count("ERROR") == 1
        assert "the loader stopped reading" in log.decode()
        assert "Traceback" not in log.decode()
        assert "Exception ignored" not in log.decode()


def test_unbuffered_python_and_lines_longer_than_a_pipe(tmp_path: Path) -> None:
    long = item(note="x" * 300_000)
    run = Run(schema() + record(long) + line({"type": "STATE", "value": {}}), GOOD, tmp_path)
    assert run.output.records()[0]["note"] == long["note"]
    assert run.output.order[-1] == ("STATE", None)


@pytest.mark.parametrize(("stream", "redirection"), [("output", ">&-"), ("input", "<&-")])
def test_closed_stream_is_one_line(stream: str, redirection: str) -> None:
    command = ["sh", "-c", f"exec {shlex.join(COMMAND)} {redirection}"]
    run = subprocess.run(command, input=schema(), capture_output=True, timeout=TIMEOUT, check=False)
    assert run.returncode == 1
    (error,) = (text for text in run.stderr.decode().splitlines() if " | ERROR " in text)
    assert f"standard {stream} is closed: connect it to a " in error
    assert "Traceback" not in run.stderr.decode()


@pytest.mark.parametrize("odd", [{"anyOf": 7}, {"type": 7}, {"properties": {"note": 7}}])
def test_invalid_json_schema_passes_to_the_loader(odd: dict[str, Any], tmp_path: Path) -> None:
    own = dict(ITEM_SCHEMA["properties"])
    odd = odd | {"properties": own | odd.get("properties", {})}
    run = Run(schema(schema=odd) + record(item()), GOOD, tmp_path)
    assert run.returncode == 0
    assert run.log("ERROR") == []
    assert run.output.records()[0]["validationStatus"] == "passed"


FAULT = """
from tap_pleo_export.validation.plugin import cli
from tap_pleo_export.validation.messages import ItemMapping
def fault(*_, **__):
    raise KeyError("GB33BUKB20201555555555")
ItemMapping.schema = fault
cli()
"""


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_program_error_is_one_line_with_type_and_place(level: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FAULT],
        input=schema(),
        capture_output=True,
        env=os.environ | {"LOGLEVEL": level},
        timeout=TIMEOUT,
        check=False,
    )
    stderr = run.stderr.decode()
    assert run.returncode == 1
    (error,) = (text for text in stderr.splitlines() if " | ERROR " in text)
    assert "Program error: KeyError in tap_pleo_export." in error
    assert ("Traceback (most recent call last)" in stderr) is (level == "DEBUG")
    assert "GB33BUKB20201555555555" not in stderr


@pytest.mark.parametrize(
    ("data", "config", "arguments"),
    [(b"{", {}, ()), (b"", {"on_failur": 1}, ()), (b"", "{", ()), (b"", {}, ("--input", __file__))],
)
def test_no_file_is_left_open(
    data: bytes, config: Any, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    assert "ResourceWarning" not in Run(data, config, tmp_path, *arguments).stderr


def test_the_documented_pipe_reports_saved_messages(pleo: Sandbox, tmp_path: Path) -> None:
    job = pleo.add_job(items=len(KINDS), status="in_progress")
    config = {"api_url": pleo.url, "api_key": pleo.api_key}
    (tmp_path / "target.json").write_text(json.dumps(config))
    (tmp_path / "failures.json").write_text(json.dumps(GOOD | {"emit_updates": "only"}))
    tap = subprocess.run(
        [BIN / "tap-pleo-export", "--config", tmp_path / "target.json"], capture_output=True, check=True
    )
    (tmp_path / "messages.jsonl").write_bytes(tap.stdout)

    follow(printed("validation.md", "For an ERP loader"), tmp_path)

    assert [bool(outcome["failureReason"]) for outcome in job.outcomes.values()] == [True] * 3
