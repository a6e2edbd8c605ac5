"""METRIC lines: the summary that ends a run, and readable messages where the log is structured."""

from __future__ import annotations

import enum
import json
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from singer_sdk import metrics
from singer_sdk.logging import StructuredFormatter
from singer_sdk.metrics import Point, Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class RunMetric(enum.StrEnum):
    """Metrics that the SDK does not have."""

    RUN_SUMMARY = "run_summary"


def run_with_summary(plugin: str, run: Callable[[], int], counts: Callable[[], Mapping[str, object]]) -> int:
    """Run a plugin and write its run summary, also if it ends with an error or a signal.

    Args:
        plugin: Name of the executable.
        run: Returns the exit code, as this function does; an exception other than SystemExit counts as 1.
        counts: Returns what :func:`run_summary` takes as counts; called when the run has ended.
    """
    started = time.monotonic()
    code = 1
    try:
        code = run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        metrics.log(metrics.get_metrics_logger(), run_summary(plugin, code, time.monotonic() - started, counts()))
    return code


def run_summary(plugin: str, exit_code: int, seconds: float, counts: Mapping[str, object]) -> Point[float]:
    """Return the metric that ends every run; ``str()`` of it is JSON.

    This is the machine interface of a run: the texts of log lines are not, and may change. It is a METRIC line in the
    SDK's shape, ``{"type": "timer", "metric": "run_summary", "value": SECONDS, "tags": {...}}``.

    Args:
        plugin: Name of the executable, such as `map-pleo-validation`.
        exit_code: The process's exit code, 128 + n after signal n.
        seconds: How long the run took; the metric's value.
        counts: The other tags, as far as they apply: `jobs`, `items`, `pages`, `passed`, `failed`, `accepted`,
            `refused`, and what else a plugin counts.
    """
    tags = {"plugin": plugin, "exit_code": exit_code, **counts, Tag.PID.value: os.getpid()}
    return Point("timer", RunMetric.RUN_SUMMARY, round(seconds, 3), tags)  # type: ignore[arg-type] # an enumeration of the same kind


class MetricLines(StructuredFormatter):
    """The SDK's structured formatter, with the name and value of a metric in its message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line of JSON; ``metric_info`` is unchanged."""
        line = super().format(record)
        point = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if not isinstance(point, Point):
            return line
        content: dict[str, Any] = json.loads(line)
        subject = point.tags.get("stream") or point.tags.get("plugin", "run")
        message = f"METRIC: {subject} {point.metric.value} {point.value}"
        return json.dumps(content | {"message": message}, separators=(",", ":"))


def name_streams() -> None:
    """Make all structured log handlers name the stream in the messages of METRIC lines, which Meltano shows."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    for handler in (handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers):
        # Not a subclass.
        if type(handler.formatter) is StructuredFormatter:
            handler.setFormatter(MetricLines(defaults=handler.formatter._defaults))  # noqa: SLF001 - has no public name
