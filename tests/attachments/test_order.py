"""Nothing overtakes a record whose files are not done, however the run ends."""

from __future__ import annotations

import hashlib
import signal
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from tap_pleo_export.attachments.pipeline import Pipeline
from tests.helpers.attachments import folder, items_schema, run, run_here, start_until_state, stored, with_files
from tests.helpers.mapper import Output, item, record, state
from tests.helpers.web import PDF, Answer, serving


def test_lines_keep_their_order(pleo: Sandbox, config: dict[str, Any]) -> None:
    pleo.add_fault(Fault(path="/files/document.pdf", nth=None, kind="delay", seconds=0.3))
    data = items_schema() + b"".join(
        with_files(pleo, n, "document.pdf" if n % 5 == 0 else "picture.png") + record(item(n + 100)) + state(n)
        for n in range(20)
    )

    done = run_here(data, config)

    assert done.output.order == [
        ("SCHEMA", "export_items"),
        *[("RECORD", "export_items"), ("RECORD", "export_items"), ("STATE", None)] * 20,
    ]
    assert [m["value"]["bookmarks"]["export_items"]["page"] for m in done.output.messages[3::3]] == list(range(20))
    assert [r["accountingEntryId"] for r in done.output.records()[::2]] == [
        item(n)["accountingEntryId"] for n in range(20)
    ]


def test_kill_leaves_no_state_and_no_partial_file(
    pleo: Sandbox, config: dict[str, Any], destination: Path, tmp_path: Path
) -> None:
    pleo.add_fault(Fault(path="/files/document.pdf", times=1, kind="drip", seconds=0.2))
    data = items_schema() + with_files(pleo, 1, "picture.png") + state(1)
    rest = with_files(pleo, 2, "document.pdf") + state(2)
    process, seen = start_until_state(data + rest, config, tmp_path)
    process.send_signal(signal.SIGKILL)
    stdout, _ = process.communicate()

    output = Output((seen + stdout).rpartition(b"\n")[0] + b"\n")
    assert [m["type"] for m in output.messages] == ["SCHEMA", "RECORD", "STATE"]
    assert [name for name in stored(destination) if folder(2) in name and "#" not in name] == []

    again = run(items_schema() + rest, config, tmp_path)

    (file,) = again.files()
    assert (destination / file["storedPath"]).stat().st_size == file["storedBytes"] == 120_000
    assert again.output.messages[-1]["type"] == "STATE"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_run_with_whole_lines_and_files(
    pleo: Sandbox, config: dict[str, Any], destination: Path, tmp_path: Path, number: signal.Signals
) -> None:
    pleo.add_fault(Fault(path="/files/document.pdf", nth=None, kind="drip", seconds=0.2))
    data = items_schema() + with_files(pleo, 1, "picture.png") + state(1)
    process, seen = start_until_state(data + with_files(pleo, 2, "document.pdf") + state(2), config, tmp_path)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=10)

    assert process.returncode == 128 + number, stderr
    assert [m["type"] for m in Output(seen + stdout).messages] == ["SCHEMA", "RECORD", "STATE"]
    assert stored(destination) == [f"{folder()}/1.png"]
    assert b"Traceback" not in stderr


def test_record_is_written_as_soon_as_its_files_are_done(pleo: Sandbox, config: dict[str, Any], tmp_path: Path) -> None:
    process, seen = start_until_state(items_schema() + with_files(pleo, 1, "picture.png") + state(1), config, tmp_path)
    process.communicate(b"", timeout=20)

    assert b"storedPath" in seen


@pytest.mark.parametrize("upper", [False, True])
def test_item_that_is_read_twice_keeps_the_bytes_of_the_later_one(
    config: dict[str, Any], destination: Path, upper: bool
) -> None:
    slow = threading.Event()

    def answer(path: str) -> Answer:
        slow.wait(0.3 if path == "/1" else 0)
        return 200, {}, PDF + path.encode()

    with serving(answer) as web:
        twice = [item(1, files=[{"url": f"{web.url}/{number}"}]) for number in (1, 2)]
        if upper:
            twice[1]["accountingEntryId"] = twice[1]["accountingEntryId"].upper()
        done = run_here(items_schema() + b"".join(map(record, twice)), config)

    (first,), (second,) = done.files(), done.files(1)
    assert first["storedPath"] == second["storedPath"]
    content = (destination / second["storedPath"]).read_bytes()
    assert content == PDF + b"/2"
    assert second["sha256"] == hashlib.sha256(content).hexdigest()


class Lines:
    def __init__(self) -> None:
        self.left: list[int] = []
        self.calls: list[Future[None]] = []

    def push(self, pipeline: Pipeline, number: int, calls: int = 1, size: int = 1) -> None:
        new: list[Future[None]] = [Future() for _ in range(calls)]
        self.calls += new
        pipeline.submit(size, lambda: self.left.append(number), new)


def test_ready_entry_waits_for_earlier_ones() -> None:
    lines, pipeline = Lines(), Pipeline(9)
    for number in range(3):
        lines.push(pipeline, number)
    lines.push(pipeline, 3, calls=0)

    lines.calls[1].set_result(None)
    lines.calls[2].set_result(None)
    waits, before = pipeline.flush_ready(), list(lines.left)
    lines.calls[0].set_result(None)

    assert (waits, before) == (True, [])
    assert pipeline.flush_ready() is False
    assert lines.left == [0, 1, 2, 3]


@pytest.mark.parametrize(("most_calls", "most_bytes", "size"), [(2, 1000, 1), (1000, 200, 100)])
def test_waiting_entries_are_limited(most_calls: int, most_bytes: int, size: int) -> None:
    lines, pipeline = Lines(), Pipeline(most_calls, most_bytes)
    lines.push(pipeline, 0, size=size)
    lines.push(pipeline, 1, size=size)
    third = threading.Thread(target=lambda: lines.push(pipeline, 2, size=size), daemon=True)
    third.start()
    third.join(0.2)
    held = third.is_alive()

    lines.calls[0].set_result(None)
    third.join(10)

    assert held
    assert not third.is_alive()
    assert lines.left == [0]


def test_cancelled_entry_is_never_emitted() -> None:
    lines, pipeline = Lines(), Pipeline(9)
    lines.push(pipeline, 0)

    pipeline.cancel(0)
    lines.calls[0].set_result(None)

    assert pipeline.flush_ready() is False
    assert lines.left == []


def test_entry_in_doubt_waits_for_later_calls() -> None:
    doubted: list[bool] = [True]
    lines, pipeline = Lines(), Pipeline(9, in_doubt=lambda _: doubted[0])
    lines.push(pipeline, 0)
    lines.push(pipeline, 1)
    lines.calls[0].set_result(None)
    waits, before = pipeline.flush_ready(), list(lines.left)
    lines.calls[1].set_result(None)

    doubted[0] = False

    assert (waits, before) == (True, [])
    assert pipeline.flush_ready() is False
    assert lines.left == [0, 1]


def test_entry_in_doubt_is_emitted_when_nothing_can_decide_any_more() -> None:
    lines, pipeline = Lines(), Pipeline(9, in_doubt=lambda _: True)
    for number in range(2):
        lines.push(pipeline, number)
        lines.calls[number].set_result(None)

    pipeline.finish()

    assert lines.left == [0, 1]
