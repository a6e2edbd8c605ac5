"""Progress that a person sees on a terminal, and that pipes and files never have."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from sandbox import Sandbox
from tap_pleo_export.singer.progress import Progress
from tests.conftest import BIN, Run
from tests.helpers.terminal import Screen, run_pipeline, terminal

ITEMS = 45
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d [\d:,]+ \| [A-Z]+ +\| \S+ +\| .+")


@pytest.fixture
def settings(pleo: Sandbox, environment: dict[str, str]) -> dict[str, str]:
    """The environment of a tap that reads two jobs in pages of ten."""
    for _ in range(2):
        pleo.add_job(items=ITEMS)
    names = {"API_URL": pleo.url, "API_KEY": pleo.api_key, "PAGE_SIZE": "10", "MAX_CONCURRENT_REQUESTS": "1"}
    return environment | {f"TAP_PLEO_EXPORT_{name}": value for name, value in names.items()}


TAP: list[str | Path] = [BIN / "tap-pleo-export", "--config=ENV"]


def read_output(path: Path) -> list[str]:
    """Return the messages of a tap without what differs between two runs."""
    return re.sub(r'"time_extracted":"[^"]*"', "", path.read_text("utf-8")).splitlines()


def without_numbers(lines: list[str]) -> list[str]:
    return [re.sub(r"[\d.]+", "0", line) for line in lines]


def run_in_pipe(environment: dict[str, str], path: Path) -> Run:
    with path.open("wb") as file:
        done = subprocess.run(TAP, env=environment, stdout=file, stderr=subprocess.PIPE, check=True)
    return Run(done.returncode, b"", done.stderr.decode())


def test_a_terminal_shows_the_taps_progress_and_its_whole_log(settings: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "shown.jsonl").open("wb") as file:
        received = run_pipeline([TAP], settings, file)
    piped = run_in_pipe(settings, tmp_path / "piped.jsonl")

    screen = Screen(received)
    progress = [line for line in screen.shown if line.startswith("Job ")]
    assert re.fullmatch(r"Job 1 of 2  \[[#-]{10}\] +\d+%  \d\d min left, \d+ of 90 items", progress[0])
    assert re.fullmatch(r"Job 2 of 2  \[#{10}\]  100%  \d\d min left, 90 of 90 items", progress[-1])
    assert without_numbers(screen.lines) == without_numbers(piped.stderr.splitlines())
    assert "\x1b" not in piped.stderr
    assert "\r" not in piped.stderr
    assert read_output(tmp_path / "shown.jsonl") == read_output(tmp_path / "piped.jsonl")


def test_messages_on_the_terminal_have_no_progress_between_them(settings: dict[str, str]) -> None:
    received = run_pipeline([TAP], settings, None)

    assert b"\x1b" not in received
    assert received.count(b'"type":"RECORD"') == 2 + 2 * 2 * ITEMS


def test_a_pipeline_shows_a_line_of_each_program(settings: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "receipts.json"
    config.write_text(json.dumps({"destination": str(tmp_path / "receipts"), "allow_hosts": ["127.0.0.1"]}))
    receipts: list[str | Path] = [BIN / "map-pleo-attachments", "--config", config]
    with (tmp_path / "messages.jsonl").open("wb") as file:
        screen = Screen(run_pipeline([TAP, receipts], settings, file))

    assert any(line.startswith("Job 2 of 2  [") for line in screen.shown)
    found = [line for line in screen.shown if line.startswith("Receipts of 2 jobs  [")]
    assert re.search(r"\]  100%  \d\d min left, 90 of 90 items, \d+ files$", found[-1])
    assert not any("[##" in line for line in screen.lines)
    assert sum(bool(LOG_LINE.fullmatch(line)) for line in screen.lines) == len(screen.lines)


def test_the_report_shows_jobs_items_and_minutes_left(settings: dict[str, str], tmp_path: Path) -> None:
    mapping, messages = tmp_path / "mapping.json", tmp_path / "messages.jsonl"
    mapping.write_text("{}")
    validation: list[str | Path] = [BIN / "map-pleo-validation", "--config", mapping]
    page = tmp_path / "page.html"
    with messages.open("wb") as file:
        run_pipeline([TAP, validation], settings, file)
    with messages.open("ab") as file:
        file.write(b"{torn\n")
    report: list[str | Path] = [BIN / "pleo-export-report", messages, "--output", page]
    with (tmp_path / "summary").open("wb") as file:
        screen = Screen(run_pipeline([report], settings, file))

    found = [line for line in screen.shown if line.startswith("Reading records  [")]
    assert re.search(r"\[#{10}\]  100%  \d\d min left, 2 running jobs, 90 items$", found[-1])
    warning, summary = screen.lines
    assert (
        warning
        == f"WARNING {messages}: skipped line {len(messages.read_bytes().splitlines())}, which is not a JSON object"
    )
    assert summary.startswith("METRIC: ")


@pytest.mark.parametrize("columns", [30, 60])
def test_progress_fits_the_terminal(settings: dict[str, str], tmp_path: Path, columns: int) -> None:
    with (tmp_path / "messages.jsonl").open("wb") as file:
        screen = Screen(run_pipeline([TAP], settings, file, columns))

    progress = [line for line in screen.shown if line.startswith("Job ")]
    assert progress
    assert max(map(len, progress)) <= columns - 1


def test_progress_is_written_a_few_times_a_second() -> None:
    with terminal() as (person, programs), open(programs, "w", encoding="utf-8", closefd=False) as file:
        progress, started = Progress(file, row=1), time.monotonic()
        for done in range(1000):
            progress.show("Job 1 of 1", done, 2000)
        elapsed = time.monotonic() - started
        progress.show("Job 1 of 1", 2000, 2000)
        received = b""
        while b"100%" not in received:
            received += os.read(person, 1 << 16)

    assert 2 <= received.count(b"Job") <= 2 + elapsed * 4
    assert Screen(received).lines[1] == "Job 1 of 1  [##########]  100%"
