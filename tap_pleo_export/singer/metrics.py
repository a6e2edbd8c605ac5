"""METRIC lines: the summary that ends a run, and readable messages where the log is structured."""

from __future__ import annotations

import enum
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from singer_sdk import metrics
from singer_sdk.logging import StructuredFormatter
from singer_sdk.metrics import Point

from tap_pleo_export.singer.run_summary import run_summary


class RunMetric(enum.StrEnum):
    """A metric that the SDK does not have."""

    RUN_SUMMARY = "run_summary"


def run_with_summary(plugin: str, run: Callable[[], int], counts: Callable[[], Mapping[str, object]]) -> int:
    """Run a plugin and write its run summary, also if it ends with an error or a signal.

    Args:
        plugin: Name of the executable.
        run: Returns the exit code, as this function does; an exception other than SystemExit counts as 1.
        counts: Returns the counts that :func:`run_summary` takes; called when the run has ended.
    """
    started = time.monotonic()
    code = 1
    try:
        code = run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        content = run_summary(plugin, code, time.monotonic() - started, counts())
        summary: Point[float] = Point("timer", RunMetric.RUN_SUMMARY, content["value"], content["tags"])  # type: ignore[arg-type] # an enumeration of the same kind
        metrics.log(metrics.get_metrics_logger(), summary)
    return code


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
