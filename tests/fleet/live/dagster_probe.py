"""Runs in Dagster's environment without a daemon: two evaluations of the sensor, runs of two companies, the status.

Prints a JSON object: the rows of ``status`` before, between and after, and the results of sensor and history.
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from dagster_pleo_export import run_history, runtime, status
from dagster_pleo_export.definitions import definitions
from tap_pleo_export.api.jobs import ExportJob

sensor = definitions.resolve_sensor_def("discovery")


def tick(instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    """Evaluate the sensor, and add the partitions that it requests."""
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=definitions)
    result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    for request in result.dynamic_partitions_requests or ():
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(run_history.COMPANIES, list(request.partition_keys))
    return result


def story(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Return the status before and after each step."""
    printed: dict[str, Any] = {"before": status.rows(instance, runtime.fleet())}
    first = tick(instance, None)
    printed["requested"] = [request.partition_key for request in first.run_requests or ()]
    printed["asked"] = status.rows(instance, runtime.fleet())
    printed["cursor"] = json.loads(tick(instance, first.cursor).cursor or "")
    job = definitions.resolve_job_def("company")
    for company in ("acme", "bad"):
        instance.add_dynamic_partitions(run_history.COMPANIES, [company])
        job.execute_in_process(instance=instance, partition_key=company, raise_on_error=False)
    printed["after"] = status.rows(instance, runtime.fleet())
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "bad"}))
    printed["bad"] = run_history.failure_reason(instance, runs[0].run_id)
    # A run that was started by hand names no job.
    jobs = [ExportJob("j1", "pending", None, None, 1)]
    printed["histories"] = [run_history.of_jobs(instance, jobs, busy=busy)["j1"].state for busy in (True, False)]
    printed["lost"] = [history_of_lost_runs(instance, "j2", 1, start=False), history_of_lost_runs(instance, "j3", 6)]
    printed["companies of lost runs"] = list(run_history.lost_runs(instance, datetime.now(UTC)).values())
    return printed


def history_of_lost_runs(instance: dg.DagsterInstance, job: str, runs: int, *, start: bool = True) -> list[Any]:
    """Let runs of a job fail as those of dead workers do; return the job's history."""
    definition = definitions.resolve_job_def("company")
    for _ in range(runs):
        run = instance.create_run_for_job(definition, tags={"dagster/partition": job, f"pleo.job/{job}": "1"})
        if start:
            instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", run.job_name), run.run_id)
        instance.report_run_failed(run)
    history = run_history.of_jobs(instance, [ExportJob(job, "pending", None, None, 1)], busy=False)[job]
    last = instance.get_run_records(dg.RunsFilter(tags={f"pleo.job/{job}": "1"}), limit=1)[0]
    return [history.state, history.attempts, history.lost, history.ended == last.end_time]


with dg.DagsterInstance.get() as dagster:
    sys.stdout.write(json.dumps(story(dagster)))
