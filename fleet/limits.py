"""How much may happen at once: Dagster's limits of runs, and the division of a credential's requests. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fleet.fleet_file import FleetFile

CREDENTIAL_TAG = "pleo/credential"
PARTITION_TAG = "dagster/partition"
# A reporting run has two processes that ask Pleo.
WRITERS_SHARE = 4
# Questions a minute beside those that come round.
SPARE = 10


class Budget(NamedTuple):
    """Requests a minute: of discovery, and of each run of a credential."""

    discovery: int
    run: int


def divide(per_minute: int, companies: int, interval: int, runs: int) -> Budget:
    """Divide a credential's requests a minute, so that all that are at work at once never exceed them.

    Discovery gets what it needs to ask about each company in time, and some more for webhooks, at most half; the runs
    share the rest.

    Args:
        per_minute: The credential's budget.
        companies: How many companies use it.
        interval: Seconds between two questions about a company.
        runs: How many runs may use it at once.
    """
    needed = math.ceil(companies * 60 / interval) + SPARE
    discovery = max(1, min(needed, per_minute // 2))
    return Budget(discovery, max(1, (per_minute - discovery) // runs))


def share_with_target(run: int) -> tuple[int, int]:
    """Divide a run's requests a minute between a tap and a target that reports to Pleo."""
    target = max(1, run // WRITERS_SHARE)
    return max(1, run - target), target


def instance(file: FleetFile) -> dict[str, Any]:
    """Return what ``dagster.yaml`` must say; storage and launcher are the installation's."""
    limits = file.limits
    return {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "concurrency": {
            "runs": {
                "max_concurrent_runs": limits.runs,
                "tag_concurrency_limits": [
                    {
                        "key": CREDENTIAL_TAG,
                        "value": {"applyLimitPerUniqueValue": True},
                        "limit": limits.runs_per_credential,
                    },
                    # A company's second run waits for its first.
                    {"key": PARTITION_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
                ],
            }
        },
        # Failures of a load are tried again by the sensor, after a while; this is for workers that vanished.
        "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False},
        "run_monitoring": {"enabled": True, "start_timeout_seconds": 180, "poll_interval_seconds": 30},
    }
