"""Runs on several hosts: Dagster's launcher for Celery, and the worker that each host runs.

The broker only passes runs on; whether a run is alive is known from its lock, so no results are stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tasks import create_execute_job_task
from kombu.exceptions import OperationalError

from dagster_pleo_export.fleet_file import FleetError
from dagster_pleo_export.launchers import WatchedRuns
from dagster_pleo_export.limits import START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg
    from dagster._serdes import ConfigurableClassData

# https://docs.celeryq.dev/en/stable/userguide/configuration.html
CELERY: dict[str, Any] = {
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_transport_options": {"max_retries": 1, "socket_connect_timeout": 5, "socket_timeout": 30},
    # Dagster has given up a run that waits longer for a worker.
    "task_annotations": {"execute_job": {"expires": START_SECONDS}},
    "task_ignore_result": True,
    # A host takes a run only when it can start it: one that it has taken is lost with it.
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "worker_max_tasks_per_child": 100,
    # Dagster captures them.
    "worker_redirect_stdouts": False,
}


class WatchedCeleryRunLauncher(WatchedRuns, CeleryRunLauncher):  # type: ignore[misc] # not installed for mypy
    """Starts runs on the worker hosts."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Make the launcher that ``dagster.yaml`` describes; its ``config_source`` has precedence over ``CELERY``."""
        config = CELERY | (config_value.get("config_source") or {})
        return cls(inst_data=inst_data, **{**config_value, "backend": None, "config_source": config})

    def launch_run(self, context: Any) -> None:  # noqa: ANN401 - Dagster's, which exports no name for it
        """Pass a run to the broker; without a broker it fails after Dagster's start timeout, and is requested again."""
        try:
            super().launch_run(context)
        except OperationalError as error:
            text = f"Celery's broker cannot be reached ({type(error.__cause__ or error).__name__}): start it again"
            self._instance.report_engine_event(text, context.dagster_run, cls=type(self))


def work(instance: dg.DagsterInstance, runs: int) -> None:
    """Execute runs until SIGTERM, then let them end.

    Args:
        instance: Dagster's.
        runs: How many at once.

    Raises:
        FleetError: Dagster does not use Celery.
    """
    launcher = instance.run_launcher
    if not isinstance(launcher, WatchedCeleryRunLauncher):
        raise FleetError("dagster.yaml has no Celery: add 'engine' to the fleet file and write it again (instance)")
    create_execute_job_task(launcher.celery)
    launcher.celery.worker_main(["worker", f"--concurrency={runs}", "--loglevel=INFO", "--without-mingle"])
