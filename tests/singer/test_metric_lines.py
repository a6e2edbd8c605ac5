"""METRIC lines: the summary that ends a run, and readable messages in a structured log."""

from __future__ import annotations

import contextlib
import json
import logging
from typing import Any

import pytest
from singer_sdk.logging import StructuredFormatter
from singer_sdk.metrics import Metric, Point, Tag

from tap_pleo_export.singer.metrics import MetricLines, run_with_summary

POINT = Point("counter", Metric.RECORD_COUNT, 248, {Tag.STREAM: "export_items", Tag.PID: 7})


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("singer_sdk.metrics", logging.INFO, "", 1, message, arguments, None)


def test_metric_message_names_its_stream() -> None:
    written = json.loads(MetricLines().format(record("METRIC: %s", POINT)))
    before = json.loads(StructuredFormatter().format(record("METRIC: %s", POINT)))

    assert written["message"] == "METRIC: export_items record_count 248"
    assert written["metric_info"] == before["metric_info"]
    assert written.keys() == before.keys()


def test_other_lines_are_unchanged() -> None:
    assert json.loads(MetricLines().format(record("%d jobs", 3)))["message"] == "3 jobs"


def test_run_summary_has_the_shape_of_sdk_metrics(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run_with_summary("tap-x", lambda: 1, lambda: {"items": 3})
    written = json.loads(MetricLines().format(caplog.records[0]))
    seconds = written["metric_info"]["value"]

    assert written["message"] == f"METRIC: tap-x run_summary {seconds}"
    del written["metric_info"]["tags"]["pid"]
    assert written["metric_info"] == {
        "type": "timer",
        "metric": "run_summary",
        "value": seconds,
        "tags": {"plugin": "tap-x", "exit_code": 1, "items": 3},
    }


def ends_with(ending: Any) -> int:
    if isinstance(ending, BaseException):
        raise ending
    return int(ending)


@pytest.mark.parametrize(
    ("ending", "exit_code"),
    [(0, 0), (1, 1), (SystemExit(143), 143), (SystemExit(), 0), (SystemExit("text"), 1), (ValueError(), 1)],
)
def test_run_summary_has_the_exit_code_of_any_ending(
    ending: Any, exit_code: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with contextlib.suppress(SystemExit, ValueError):
        assert run_with_summary("tap-x", lambda: ends_with(ending), dict) == exit_code
    (line,) = caplog.records
    point = json.loads(line.getMessage().removeprefix("METRIC: "))
    assert (point["metric"], point["tags"]["exit_code"]) == ("run_summary", exit_code)
