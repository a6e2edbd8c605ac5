"""The machine-readable summary of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any


def run_summary(plugin: str, exit_code: int, seconds: float, counts: Mapping[str, object]) -> dict[str, Any]:
    """Return the content of the METRIC line that ends every run, in the shape of the SDK's metrics.

    This is the machine interface of a run; the texts of log lines may change:
    ``{"type": "timer", "metric": "run_summary", "value": SECONDS, "tags": {...}}``.

    Args:
        plugin: Name of the executable, such as `map-pleo-validation`.
        exit_code: The process's exit code, 128 + n after signal n.
        seconds: How long the run took; the metric's value.
        counts: The other tags, as far as they apply: `jobs`, `items`, `pages`, `passed`, `failed`, `accepted`,
            `refused`, and what else a plugin counts.
    """
    tags = {"plugin": plugin, "exit_code": exit_code, **counts, "pid": os.getpid()}
    return {"type": "timer", "metric": "run_summary", "value": round(seconds, 3), "tags": tags}
