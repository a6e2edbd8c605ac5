"""Alerts about failed runs: a line in Dagster's log and, if configured, a POST to a URL."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from dagster_pleo_export import run_history, runtime, secrets
from dagster_pleo_export.fleet_file import FleetError
from dagster_pleo_export.limits import PARTITION_TAG
from dagster_pleo_export.run_planning import COMPANY_TAG, failure_message
from dagster_pleo_export.secrets import SecretMissing
from tap_pleo_export.singer.redaction import SECRETS

# Five alerts in one evaluation must fit into Dagster's minute.
POST_TIMEOUT = 5


def build(job: Any, due: int) -> dg.SensorDefinition:  # noqa: ANN401 - Dagster's unresolved job
    """Return the sensor that reports failed runs.

    Args:
        job: The job whose runs it watches.
        due: Seconds from an evaluation until the next one is due.
    """

    @dg.run_failure_sensor(
        name="alerts",
        monitored_jobs=[job],
        minimum_interval_seconds=due,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports each failed run: company, job, minutes left, remedy.",
    )
    def alerts(context: dg.RunFailureSensorContext) -> None:
        import requests  # noqa: PLC0415 - slow, and a run needs none

        run = context.dagster_run
        tags = run.tags
        company = tags.get(COMPANY_TAG) or tags.get(PARTITION_TAG, "unknown")
        why = run_history.failure_reason(context.instance, run.run_id).removeprefix(f"{company}: ")
        message = failure_message(company, tags, why, datetime.now(UTC), lost=run_history.is_lost(run))
        line = SECRETS.one_line(message)
        context.log.error(line)
        try:
            fleet = runtime.fleet()
            if fleet.file.alerts.url:
                url = secrets.look_up(fleet.file.alerts.url, fleet.folder)
                answer = requests.post(url, json={"text": line, "company": company}, timeout=POST_TIMEOUT)
                answer.raise_for_status()
        except (FleetError, SecretMissing) as error:
            context.log.error(str(error))  # noqa: TRY400 - a line for the user, no traceback
        except requests.RequestException as error:
            # The URL may contain a secret, and the exception's text may contain the URL.
            status = "" if error.response is None else f" {error.response.status_code}"
            context.log.warning("The alert could not be posted: %s%s", type(error).__name__, status)

    return alerts
