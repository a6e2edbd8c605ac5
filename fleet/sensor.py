"""The sensor: asks Pleo about the companies whose turn it is, and requests runs where there is something to load."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from fleet import due, history, installation
from fleet.assets import COMPANIES, LOAD
from fleet.companies import Fleet, FleetError
from fleet.discovery import Look, Seen
from fleet.due import DueRun
from fleet.rounds import Open, Rounds
from fleet.secrets import SecretMissing

FRESH = "fresh"


def build(job: Any, tick: int) -> dg.SensorDefinition:  # noqa: ANN401 - Dagster's unresolved job
    """Return the sensor.

    Args:
        job: The job that it requests runs of.
        tick: Seconds between two evaluations.
    """

    @dg.sensor(
        job=job,
        name="discovery",
        minimum_interval_seconds=tick,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks Pleo which companies have an export job to load: one request each and interval.",
    )
    def discovery(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        try:
            fleet = installation.fleet()
        except (FleetError, SecretMissing) as error:
            # Dagster shows the failed tick with this line; the cursor stays.
            raise dg.Failure(str(error), allow_retries=False) from None
        return _Evaluation(context, fleet).result()

    return discovery


class _Evaluation:
    """One evaluation of the sensor."""

    def __init__(self, context: dg.SensorEvaluationContext, fleet: Fleet) -> None:
        self.context = context
        self.fleet = fleet
        self.instance = context.instance
        self.rounds = Rounds.from_cursor(context.cursor)
        self.rounds.keep(fleet.companies)
        self.busy = history.at_work(self.instance)

    def result(self) -> dg.SensorResult:
        began = time.time()
        options = self.fleet.file.discovery
        hinted, self.rounds.delivery = history.deliveries(self.instance, self.rounds.delivery)
        wanted = self.rounds.next(self.fleet.companies, hinted, began, options.interval)
        looks = installation.discovery(options.requests_at_once).look(
            self.fleet, [self.fleet.companies[name] for name in wanted], options.time_limit
        )
        runs: list[DueRun] = []
        asked = []
        for look in looks:
            asked.append(look.company)
            if run := self._run_for(look):
                runs.append(run)
        whole = self.rounds.finished(asked, wanted)
        if asked:
            self._sum_up(len(asked), len(runs), time.time() - began)
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=run.key, partition_key=run.company, tags=run.tags) for run in due.in_order(runs)
            ],
            cursor=self.rounds.to_cursor(),
            dynamic_partitions_requests=self._partitions(),
            asset_events=[self._freshness(time.time())] if whole else [],
        )

    def _run_for(self, look: Look) -> DueRun | None:
        past = history.past_of(self.instance, look.jobs, look.company in self.busy)
        missing: list[Seen] = due.uncovered(look.jobs, past)
        now = datetime.now(UTC)
        if self.rounds.note(look, missing, now.timestamp(), self.fleet.file.discovery.interval):
            self.context.log.error("Company %s cannot be asked: %s", look.company, look.failure)
        return due.due(self.fleet.companies[look.company], look.jobs, past, now)

    def _sum_up(self, asked: int, runs: int, seconds: float) -> None:
        self.context.log.info(
            "%d companies asked in %.1f s%s, %d with a job not loaded yet, %d failing; %d runs requested",
            asked,
            seconds,
            "" if self.rounds.after is None else ", round not finished",
            len(self.rounds.open),
            len(self.rounds.failing),
            runs,
        )

    def _partitions(self) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
        there, wanted = set(self.instance.get_dynamic_partitions(str(COMPANIES.name))), set(self.fleet.companies)
        requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
        if wanted - there:
            requests.append(COMPANIES.build_add_request(sorted(wanted - there)))
        if there - wanted:
            requests.append(COMPANIES.build_delete_request(sorted(there - wanted)))
        return requests

    def _freshness(self, now: float) -> dg.AssetCheckEvaluation:
        late = self.rounds.late(now, self.fleet.file.alerts.fresh_minutes)
        return dg.AssetCheckEvaluation(
            asset_key=LOAD,
            check_name=FRESH,
            passed=not late and not self.rounds.failing,
            severity=dg.AssetCheckSeverity.ERROR if late else dg.AssetCheckSeverity.WARN,
            metadata={
                "late": dg.MetadataValue.json(described(late, now)),
                "failing": dg.MetadataValue.json({name: f.why for name, f in self.rounds.failing.items()}),
                "companies": len(self.fleet.companies),
            },
        )


def described(late: Mapping[str, Open], now: float) -> dict[str, str]:
    """Return each late company's job, its age and what is left, for a person."""
    return {
        name: f"export job {job.job}, {int((now - (job.created or now)) // 60)} minutes old"
        + (f", {max(0, int((job.expires - now) // 60))} minutes left" if job.expires else "")
        for name, job in late.items()
    }
