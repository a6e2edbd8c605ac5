"""Who is told when something fails: Dagster's log and UI, and an address of the user's."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import requests

from fleet import failure, installation, secrets
from fleet.companies import FleetError
from fleet.due import COMPANY_TAG
from fleet.secrets import SecretMissing
from tap_pleo_export.singer.redaction import SECRETS

# To connect, and for the answer: five alerts in one evaluation must fit into Dagster's minute.
POST_SECONDS = 5
INTERRUPTED = "ExecutionInterrupted"
STOPPED = "The worker was stopped, with Dagster or by hand: the next run resumes from the company's state"
WORKER = "The worker vanished: it is started again, and resumes from the company's state"


def build(job: Any, tick: int) -> dg.SensorDefinition:  # noqa: ANN401 - Dagster's unresolved job
    """Return the sensor that tells of failed runs.

    Args:
        job: The job whose runs they are.
        tick: Seconds between two evaluations.
    """

    @dg.run_failure_sensor(
        name="alerts",
        monitored_jobs=[job],
        minimum_interval_seconds=tick,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of each failed run: company, job, minutes left, remedy.",
    )
    def alerts(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        company = run.tags.get(COMPANY_TAG) or run.tags.get("dagster/partition", "unknown")
        why = _why(context).removeprefix(f"{company}: ")
        line = SECRETS.one_line(failure.described(company, run.tags, why, datetime.now(UTC)))
        context.log.error(line)
        try:
            fleet = installation.fleet()
            if fleet.file.alerts.url:
                _post(secrets.look_up(fleet.file.alerts.url, fleet.folder), line, company)
        except (FleetError, SecretMissing) as error:
            context.log.error(str(error))  # noqa: TRY400 - a user reads a line, not a traceback
        except requests.RequestException as error:
            context.log.warning("The alert could not be posted: %s", _described(error))

    return alerts


def _why(context: dg.RunFailureSensorContext) -> str:
    for event in context.get_step_failure_events():
        error = getattr(event.event_specific_data, "error", None)
        said = getattr(event.event_specific_data, "user_failure_data", None)
        if said and said.description:
            return str(said.description).rstrip(".")
        if error and INTERRUPTED in (error.cls_name or ""):
            return STOPPED
        if error:
            cause = error.cause or error
            return f"{cause.message}".strip().rstrip(".")
    return WORKER


def _described(error: requests.RequestException) -> str:
    """Return what happened; the address, which may hold a secret, is not in it."""
    answer = f" {error.response.status_code}" if error.response is not None else ""
    return type(error).__name__ + answer


def _post(url: str, line: str, company: str) -> None:
    requests.post(url, json={"text": line, "company": company}, timeout=POST_SECONDS).raise_for_status()
