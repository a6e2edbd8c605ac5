"""METRIC lines that say which stream they count, where the log is structured: Meltano shows the message alone."""

from __future__ import annotations

import json
import logging
from typing import Any

from singer_sdk.logging import StructuredFormatter
from singer_sdk.metrics import Point


class MetricLines(StructuredFormatter):
    """The SDK's formatter, whose message of a metric is more than the word METRIC."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line of JSON; ``metric_info`` stays as the SDK has it."""
        line = super().format(record)
        point = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if not isinstance(point, Point):
            return line
        content: dict[str, Any] = json.loads(line)
        what = f"{point.tags.get('stream', 'run')} {point.metric.value} {point.value}"
        return json.dumps(content | {"message": f"METRIC: {what}"}, separators=(",", ":"))


def name_streams() -> None:
    """Have every structured handler of the process name the streams of its METRIC lines."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    for handler in (handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers):
        # Not a formatter that somebody has made of it.
        if type(handler.formatter) is StructuredFormatter:
            handler.setFormatter(MetricLines(defaults=handler.formatter._defaults))  # noqa: SLF001 - has no public name
