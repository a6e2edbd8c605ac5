"""METRIC lines of a structured log say which stream they count."""

from __future__ import annotations

import json
import logging

from singer_sdk.logging import StructuredFormatter
from singer_sdk.metrics import Metric, Point, Tag

from tap_pleo_export.singer.metrics import MetricLines

POINT = Point("counter", Metric.RECORD_COUNT, 248, {Tag.STREAM: "export_items", Tag.PID: 7})


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("singer_sdk.metrics", logging.INFO, "", 1, message, arguments, None)


def test_a_metric_names_its_stream_and_keeps_its_members() -> None:
    written = json.loads(MetricLines().format(record("METRIC: %s", POINT)))
    before = json.loads(StructuredFormatter().format(record("METRIC: %s", POINT)))

    assert written["message"] == "METRIC: export_items record_count 248"
    assert written["metric_info"] == before["metric_info"]
    assert written.keys() == before.keys()


def test_other_lines_are_the_sdks() -> None:
    assert json.loads(MetricLines().format(record("%d jobs", 3)))["message"] == "3 jobs"
