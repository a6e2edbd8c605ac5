"""Dagster's concurrency limits, and how discovery and runs share a credential's requests. No I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from dagster_pleo_export.fleet_file import CeleryOptions, FleetFile

CREDENTIAL_TAG = "pleo/credential"
PARTITION_TAG = "dagster/partition"
# In a run that reports to Pleo, the target gets a quarter of the requests.
TARGET_SHARE = 4
# Requests per minute for discovery beyond its regular rounds, for example after webhooks.
SPARE = 10
# From a run's launch to its start, which takes a few seconds of processor time.
START_SECONDS = 60


class Budget(NamedTuple):
    """Requests per minute: of discovery, and of each run of a credential."""

    discovery: int
    run: int


def divide(per_minute: int, companies: int, interval: int, runs: int) -> Budget:
    """Divide a credential's requests per minute, so that discovery and all concurrent runs together stay within it.

    Discovery gets enough for its rounds and some spare, at most half; the runs share the rest.

    Args:
        per_minute: The credential's budget.
        companies: How many companies use it.
        interval: Seconds between two requests about a company.
        runs: How many runs may use it at once.
    """
    needed = math.ceil(companies * 60 / interval) + SPARE
    discovery = max(1, min(needed, per_minute // 2))
    return Budget(discovery, max(1, (per_minute - discovery) // runs))


def share_with_target(run: int) -> tuple[int, int]:
    """Divide a run's requests per minute between the tap and a target that reports to Pleo."""
    target = max(1, run // TARGET_SHARE)
    return max(1, run - target), target


def instance(file: FleetFile) -> dict[str, Any]:
    """Return the content of ``dagster.yaml``; the storage is up to the installation."""
    per_value = {"applyLimitPerUniqueValue": True}
    return {
        "run_launcher": _run_launcher(file.engine.celery),
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "concurrency": {
            "runs": {
                "max_concurrent_runs": file.limits.runs,
                "tag_concurrency_limits": [
                    {"key": CREDENTIAL_TAG, "value": per_value, "limit": file.limits.runs_per_credential},
                    # A company's second run waits for its first.
                    {"key": PARTITION_TAG, "value": dict(per_value), "limit": 1},
                ],
            }
        },
        # A waiting run waits for this, too: five seconds by default.
        "run_coordinator": {
            "module": "dagster",
            "class": "QueuedRunCoordinator",
            "config": {"dequeue_interval_seconds": 1},
        },
        # The sensor starts runs again: failed ones after a delay, those whose worker vanished at once.
        "run_retries": {"enabled": False},
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": START_SECONDS,
            "poll_interval_seconds": 5,
            "max_resume_run_attempts": 0,
        },
    }


def _run_launcher(celery: CeleryOptions | None) -> dict[str, Any]:
    if celery is None:
        return {"module": "dagster_pleo_export.launchers", "class": "WatchedRunLauncher"}
    return {
        "module": "dagster_pleo_export.celery_hosts",
        "class": "WatchedCeleryRunLauncher",
        "config": {"broker": {"env": celery.broker.env}, "default_queue": celery.queue},
    }
