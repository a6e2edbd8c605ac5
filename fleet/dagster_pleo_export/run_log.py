"""What a run's log says: counts, and the line that tells why it failed. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

PAGES = re.compile(r"Export job \S+: \d+ item\(s\) in (\d+) page\(s\)")
CHECKED = re.compile(r"export_items: \d+ items, \d+ passed, (\d+) failed")
WAITS = re.compile(r"The budget of requests per minute is spent")
BUSY = re.compile(r"Another '.*' pipeline is already running")
TRACEBACK = re.compile(r"\w*(?:Error|Exception): .+")
ERRORS = {"error", "critical"}
MOST_LINES = 20


@dataclass
class RunLog:
    """The log of a ``meltano run``, read line by line.

    Attributes:
        items: Export items that the tap has read.
        failed: Items that failed their checks.
        pages: Pages of export items.
        errors: The plugins' own error lines.
        meltano_errors: Meltano's, for failures that no plugin tells.
        busy: Whether Meltano refused to run, because a run of the same company is at work.
    """

    items: int = 0
    failed: int = 0
    pages: int = 0
    errors: list[str] = field(default_factory=list)
    meltano_errors: list[str] = field(default_factory=list)
    busy: bool = False

    def read(self, raw: str) -> tuple[str, str] | None:
        """Read a line; return level and text of what a person wants to see, None for the rest."""
        try:
            line = json.loads(raw)
            text, level = str(line["event"]), str(line.get("level", "info"))
        except (ValueError, TypeError, KeyError):
            # Meltano's first words, or a traceback of its own.
            if TRACEBACK.match(raw):
                self._fail(raw.strip(), None)
            return None
        plugin = line.get("string_id")
        self._count(line, text, plugin)
        if level in ERRORS:
            self._fail(text if plugin else str(line.get("err") or text), plugin)
        if level == "info" and not any(pattern.search(text) for pattern in (PAGES, CHECKED, WAITS)):
            return None
        return level, f"{plugin}: {text}" if plugin else text

    @property
    def why(self) -> str:
        """Why the run failed, in the words of whoever knows best."""
        return "; ".join(self.errors[:3] or self.meltano_errors[:1]) or "Meltano gave no reason"

    def _count(self, line: dict[str, object], text: str, plugin: object) -> None:
        metric = line.get("metric_info")
        if plugin == "tap-pleo-export" and isinstance(metric, dict) and metric.get("metric") == "record_count":
            tags, value = metric.get("tags"), metric.get("value")
            if isinstance(tags, dict) and tags.get("stream") == "export_items" and isinstance(value, int):
                self.items += value
        if found := PAGES.search(text):
            self.pages += int(found[1])
        if found := CHECKED.search(text):
            self.failed += int(found[1])

    def _fail(self, text: str, plugin: object) -> None:
        self.busy = self.busy or BUSY.search(text) is not None
        lines = self.errors if plugin else self.meltano_errors
        if len(lines) < MOST_LINES:
            lines.append(text)
