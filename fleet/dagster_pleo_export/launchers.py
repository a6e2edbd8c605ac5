"""Dagster's run launchers with proof of life: a run without a process is ended by Dagster's run monitoring."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

from dagster_pleo_export import locks

if TYPE_CHECKING:
    from dagster import DagsterRun

# From STARTED to the first lock, and between the locks of a run's two assets.
GRACE_SECONDS = 20.0


class WatchedRuns:
    """Overrides a launcher's health check: a run is alive while one of its processes has the run's lock."""

    _instance: Any

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - the launcher's
        super().__init__(*arguments, **named)
        self._missing: dict[str, float] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Dagster asks only launchers that support it."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return whether a started run has a process."""
        if locks.of(self._instance).is_taken(locks.run_lock(run.run_id)):
            self._missing.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        now = time.monotonic()
        if now - self._missing.setdefault(run.run_id, now) < GRACE_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        del self._missing[run.run_id]
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process is gone")


class WatchedRunLauncher(WatchedRuns, DefaultRunLauncher):  # type: ignore[misc] # Dagster is not installed for mypy
    """Starts runs as processes of the code server."""
