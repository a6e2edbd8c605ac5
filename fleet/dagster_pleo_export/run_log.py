"""The log of a ``meltano run``: counts from the plugins' run summaries, and why it failed. No I/O."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

TAP, MAPPER = "tap-pleo-export", "map-pleo-validation"
# The last line of a Python traceback.
TRACEBACK = re.compile(r"\w*(?:Error|Exception): .+")
ERRORS = {"error", "critical"}
MAX_ERRORS = 20


@dataclass
class RunLog:
    """A log, read line by line.

    Attributes:
        items: Export items that the tap has read.
        failed: Items that failed their checks.
        pages: Pages of export items.
        errors: The plugins' error lines.
        meltano_errors: Meltano's error lines, for failures that no plugin reports.
    """

    items: int = 0
    failed: int = 0
    pages: int = 0
    errors: list[str] = field(default_factory=list)
    meltano_errors: list[str] = field(default_factory=list)

    def read(self, raw: str) -> tuple[str, str] | None:
        """Read a line; return level and text if a person wants to see it."""
        try:
            line = json.loads(raw)
            text, level = str(line["event"]), str(line.get("level", "info"))
        except (ValueError, TypeError, KeyError):
            # Meltano's first line, or a traceback.
            if TRACEBACK.match(raw):
                _add(self.meltano_errors, raw.strip())
            return None
        plugin = line.get("string_id")
        if metric := line.get("metric_info"):
            return self._read_metric(metric)
        if level in ERRORS:
            _add(self.errors if plugin else self.meltano_errors, text if plugin else str(line.get("err") or text))
        if plugin:
            return level, f"{plugin}: {text}"
        return None if level == "info" else (level, text)

    @property
    def why(self) -> str:
        """Why the run failed: the plugins' errors, or Meltano's."""
        return "; ".join(self.errors[:3] or self.meltano_errors[:1]) or "Meltano gave no reason"

    def _read_metric(self, metric: dict[str, Any]) -> tuple[str, str] | None:
        """Read the run summary (``tap_pleo_export.singer.run_summary``) that each plugin ends with."""
        if metric.get("metric") != "run_summary":
            return None
        tags = metric.get("tags", {})
        plugin = tags.get("plugin")
        if plugin == TAP:
            self.items += tags.get("items", 0)
            self.pages += tags.get("pages", 0)
        elif plugin == MAPPER:
            self.failed += tags.get("failed", 0)
        counts = {"seconds": metric.get("value"), **tags}
        shown = [f"{name} {value}" for name, value in counts.items() if name not in {"plugin", "pid"}]
        return "info", f"{plugin}: {', '.join(shown)}"


def _add(lines: list[str], text: str) -> None:
    if len(lines) < MAX_ERRORS:
        lines.append(text)
