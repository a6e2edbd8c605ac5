"""The target as a process, its input and its output."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sandbox import Job, Request, Sandbox
from tests.conftest import BIN, Outputs, Run, finish

UPDATES = "export_job_item_updates"
EVENTS = "export_job_events"
POSTED = "/v3/export-job-events"
FAILED = {"status": "failed", "failureReasonType": "vendor_unknown", "failureReason": "No vendor"}


def line(**message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


def schema(stream: str = UPDATES) -> bytes:
    return line(type="SCHEMA", stream=stream, schema={}, key_properties=[])


SCHEMAS = schema() + schema(EVENTS)


def record(stream: str, **members: Any) -> bytes:
    return line(type="RECORD", stream=stream, record=members)


def update(job: Job, number: int, status: str = "successful", **members: Any) -> bytes:
    """Return an update of a job's item, counted from 0."""
    known = FAILED if status == "failed" else {"status": status}
    return record(
        UPDATES, **{"jobId": job.id, "accountingEntryId": list(job.item_statuses)[number], **known, **members}
    )


def updates(job: Job, numbers: Iterable[int], status: str = "successful", **members: Any) -> bytes:
    return b"".join(update(job, number, status, **members) for number in numbers)


def event(job: Job, name: str, **members: Any) -> bytes:
    return record(EVENTS, jobId=job.id, event=name, **members)


def state(value: Any) -> bytes:
    return line(type="STATE", value=value)


def tap_state(*jobs: Job | str, complete: bool = True) -> dict[str, Any]:
    """Return a state of the tap."""
    entry = {"page": 1, "cursor": None, "page_size": 100, "items": 1, "digest": "1", "complete": complete}
    ids = [job if isinstance(job, str) else job.id for job in jobs]
    return {"bookmarks": {"export_items": {"partitions": [{"context": {"jobId": id_}, **entry} for id_ in ids]}}}


def passed_on(run: Run) -> list[Any]:
    """Return the states passed on, which must be the only output."""
    assert run.stdout == b"" or run.stdout.endswith(b"\n")
    return [json.loads(text) for text in run.stdout.split(b"\n")[:-1]]


def summary(run: Run) -> str:
    """Return the run's last line before its METRIC line."""
    return run.log("INFO")[-2]


def run_summary(run: Run) -> dict[str, Any]:
    """Return the tags of the METRIC line that ends the run."""
    _, _, metric = run.log("INFO")[-1].partition("METRIC: ")
    tags: dict[str, Any] = json.loads(metric)["tags"]
    return tags


def said(run: Run) -> list[str]:
    """Return the ERROR and WARNING lines."""
    lines = [text.split(" | ", 3) for text in run.stderr.splitlines()]
    assert all(len(parts) == 4 for parts in lines), run.stderr
    return [parts[3] for parts in lines if parts[1].strip() in {"ERROR", "WARNING", "CRITICAL"}]


def check_said(run: Run, phrases: Iterable[str]) -> None:
    """Assert that the ERROR and WARNING lines contain these phrases, one each, in order."""
    lines = said(run)
    expected = list(phrases)
    assert len(lines) == len(expected), run.stderr
    for text, phrase in zip(lines, expected, strict=True):
        assert phrase in text, run.stderr


def puts(pleo: Sandbox) -> list[Request]:
    return [request for request in pleo.requests if request.method == "PUT"]


def posts(pleo: Sandbox) -> list[dict[str, str]]:
    return [request.json for request in pleo.requests_to(POSTED)]


def writes(pleo: Sandbox) -> list[Request]:
    return [request for request in pleo.requests if request.method != "GET"]


def sizes(pleo: Sandbox) -> list[int]:
    """Return the number of updates in each PUT."""
    return [len(request.json) for request in puts(pleo)]


def statuses(job: Job) -> list[str]:
    return list(job.item_statuses.values())


def start_target(
    folder: Path, environment: dict[str, str], settings: dict[str, Any], *arguments: str
) -> subprocess.Popen[bytes]:
    """Start the target with a pipe at each end and without input."""
    config = folder / "target.json"
    config.write_text(json.dumps({name: value for name, value in settings.items() if value is not None}))
    return subprocess.Popen(
        [str(BIN / "target-pleo-export"), "--config", str(config), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=folder,
    )


def settings_of(pleo: Sandbox, **settings: Any) -> dict[str, Any]:
    """Return settings for the sandbox, with one retry."""
    return {"api_url": pleo.url, "api_key": pleo.api_key, "max_retries": 1, "max_requests_per_minute": 9999, **settings}


def feed(process: subprocess.Popen[bytes], data: bytes, outputs: Outputs) -> Run:
    """Write the rest of the input, and wait for the end of the process."""
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it ended before reading everything
    return finish(process, outputs)
