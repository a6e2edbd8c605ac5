"""The sensor asks Pleo about the companies that are due, and requests runs where there is something to load."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from dagster_pleo_export import run_history, run_planning, runtime
from dagster_pleo_export.assets import COMPANIES, LOAD
from dagster_pleo_export.companies import MAX_PROBLEMS, Fleet
from dagster_pleo_export.discovery_state import DiscoveryState, PendingJob
from dagster_pleo_export.fleet_file import FleetError
from dagster_pleo_export.run_planning import PlannedRun
from dagster_pleo_export.secrets import SecretMissing

if TYPE_CHECKING:
    from dagster_pleo_export.discovery import DiscoveryResult

FRESH = "fresh"


def build(job: str, due: int) -> dg.SensorDefinition:
    """Return the sensor.

    Args:
        job: Name of the job whose runs it requests.
        due: Seconds from an evaluation until the next one is due.
    """

    @dg.sensor(
        job_name=job,
        name=run_history.DISCOVERY,
        minimum_interval_seconds=due,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks Pleo which companies have an export job to load: one request per company and interval.",
    )
    def discovery(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        try:
            fleet = runtime.last_known_fleet()
        except (FleetError, SecretMissing) as error:
            # Dagster shows this line with the failed tick; the cursor is kept.
            raise dg.Failure(str(error), allow_retries=False) from None
        return _Evaluation(context, fleet).result()

    return discovery


class _Evaluation:
    """One evaluation of the sensor."""

    def __init__(self, context: dg.SensorEvaluationContext, fleet: Fleet) -> None:
        self.log = context.log
        self.fleet = fleet
        self.instance = context.instance
        self.state = DiscoveryState.from_cursor(context.cursor)
        self.state.retain(fleet.companies)
        for problem in self.state.new_problems(fleet.problems):
            self.log.error("Left out: %s", problem)
        self.busy = run_history.busy_companies(self.instance)

    def result(self) -> dg.SensorResult:
        began = time.time()
        options = self.fleet.file.discovery
        hinted, self.state.delivery = run_history.deliveries(self.instance, self.state.delivery)
        hinted += self.state.new_losses(run_history.lost_runs(self.instance, datetime.now(UTC)))
        wanted = self.state.next(self.fleet.companies, hinted, began, options.interval, self.busy)
        results = runtime.discovery(options.requests_at_once).ask_all(
            self.fleet, [self.fleet.companies[name] for name in wanted], options.time_limit, set(self.state.urgent)
        )
        runs: list[PlannedRun] = []
        asked = []
        for result in results:
            asked.append(result.company)
            if run := self._run_for(result):
                runs.append(run)
        complete = self.state.finished(asked, wanted)
        if asked:
            self._sum_up(len(asked), len(runs), time.time() - began)
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=run.key, partition_key=run.company, tags=run.tags)
                for run in run_planning.in_order(runs)
            ],
            cursor=self.state.to_cursor(),
            dynamic_partitions_requests=self._partitions(asked),
            asset_events=[self._evaluation()] if complete else [],
        )

    def _run_for(self, result: "DiscoveryResult") -> PlannedRun | None:
        history = run_history.of_jobs(self.instance, result.jobs, busy=result.company in self.busy)
        unloaded = run_planning.unloaded(result.jobs, history)
        now = datetime.now(UTC)
        if self.state.record(result, unloaded, now.timestamp(), self.fleet.file.discovery.interval):
            self.log.error("The jobs of company %s cannot be listed: %s", result.company, result.failure)
        return run_planning.plan(self.fleet.companies[result.company], result.jobs, history, now)

    def _sum_up(self, asked: int, runs: int, seconds: float) -> None:
        self.log.info(
            "Asked about %d companies in %.1f s%s: %d with a job to load, %d failing; requested %d runs",
            asked,
            seconds,
            " (round not complete)" if self.state.left else "",
            len(self.state.open),
            len(self.state.failing),
            runs,
        )

    def _partitions(self, asked: list[str]) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
        """Return the changes of partitions: a company gets one when it is first asked, which `status` relies on."""
        existing = run_history.asked_companies(self.instance)
        requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
        if new := set(asked) - existing:
            requests.append(COMPANIES.build_add_request(sorted(new)))
        if gone := existing - {*self.fleet.companies, *self.fleet.left_out}:
            requests.append(COMPANIES.build_delete_request(sorted(gone)))
        return requests

    def _evaluation(self) -> dg.AssetCheckEvaluation:
        result = freshness(self.state, self.fleet)
        return dg.AssetCheckEvaluation(
            asset_key=LOAD,
            check_name=FRESH,
            passed=result.passed,
            severity=result.severity,
            metadata=result.metadata,
        )


def freshness(state: DiscoveryState, fleet: Fleet) -> dg.AssetCheckResult:
    """Check that no company is late, failing or left out."""
    now = time.time()
    late = state.late(now, fleet.file.alerts.fresh_minutes)
    return dg.AssetCheckResult(
        passed=not late and not state.failing and not fleet.problems,
        severity=dg.AssetCheckSeverity.ERROR if late else dg.AssetCheckSeverity.WARN,
        metadata={
            "late": dg.MetadataValue.json({name: _describe(job, now) for name, job in late.items()}),
            "failing": dg.MetadataValue.json({name: failing.why for name, failing in state.failing.items()}),
            "left out": dg.MetadataValue.json(list(fleet.problems[:MAX_PROBLEMS])),
            "companies": len(fleet.companies),
        },
    )


def _describe(job: PendingJob, now: float) -> str:
    left = f", {max(0, int((job.expires - now) // 60))} minutes left" if job.expires else ""
    return f"export job {job.job}, {int((now - (job.created or now)) // 60)} minutes old{left}"
