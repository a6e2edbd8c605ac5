"""Runs in Dagster's environment without a daemon: two evaluations of the sensor, runs of two companies, the status.

Prints a JSON object: the rows of ``status`` before, between and after, and the results of sensor and history.
"""

import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import SerializableErrorInfo

from dagster_pleo_export import run_history, runtime, status
from dagster_pleo_export.definitions import definitions
from dagster_pleo_export.discovery_state import DiscoveryState, FailingCompany, PendingJob
from tap_pleo_export.api.jobs import ExportJob

REPOSITORY = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository")
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
    printed: dict[str, Any] = {"before": rows(instance), "problems": [status.problems(instance, time.time())]}
    printed["seconds between evaluations"] = [one.minimum_interval_seconds for one in definitions.sensors or ()]
    first = tick(instance, None)
    printed["requested"] = [request.partition_key for request in first.run_requests or ()]
    printed["asked"] = rows(instance)
    printed["cursor"] = json.loads(tick(instance, first.cursor).cursor or "")
    job = definitions.resolve_job_def("company")
    for company in ("acme", "bad"):
        instance.add_dynamic_partitions(run_history.COMPANIES, [company])
        job.execute_in_process(instance=instance, partition_key=company, raise_on_error=False)
    printed["after"] = rows(instance)
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "bad"}))
    printed["bad"] = run_history.failure_reason(instance, runs[0].run_id)
    # A run that was started by hand names no job.
    jobs = [ExportJob("j1", "pending", None, None, 1)]
    printed["histories"] = [run_history.of_jobs(instance, jobs, busy=busy)["j1"].state for busy in (True, False)]
    printed["lost"] = [history_of_lost_runs(instance, "j2", 1, start=False), history_of_lost_runs(instance, "j3", 6)]
    printed["companies of lost runs"] = list(run_history.lost_runs(instance, datetime.now(UTC)).values())
    printed["states of runs"] = states_of_runs(instance)
    printed["problems"] += problems(instance)
    return printed


def rows(instance: dg.DagsterInstance, state: DiscoveryState | None = None) -> list[dict[str, Any]]:
    """Return the rows of ``status``."""
    return status.rows(instance, runtime.fleet(), state or run_history.discovery_state(instance))


def states_of_runs(instance: dg.DagsterInstance) -> list[Any]:
    """Return state and minutes to the retry while beta's run fails, is lost, is queued, and beta cannot be polled."""
    definition = definitions.resolve_job_def("company")
    tags = {"dagster/partition": "beta", "pleo.job/j9": "1", "pleo/attempt": "2"}
    is_open = DiscoveryState(open={"beta": [PendingJob("j9", None, time.time() + 600)]})
    has_ended = DiscoveryState(open={"beta": [PendingJob("j9", None, time.time() - 1)]})
    failing = DiscoveryState(failing={"beta": FailingCompany(3, time.time() + 290, "rejected")})
    found = []

    def note(state: DiscoveryState) -> None:
        row = next(row for row in rows(instance, state) if row["company"] == "beta")
        found.append([row["state"], row["retry in"]])

    run = instance.create_run_for_job(definition, tags=tags)
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", run.job_name), run.run_id)
    note(is_open)
    # Dagster's tag of a run that failed by itself.
    instance.add_run_tags(run.run_id, {"dagster/failure_reason": "STEP_FAILURE"})
    instance.report_run_failed(run)
    for state in (is_open, has_ended, DiscoveryState()):
        note(state)
    lost = instance.create_run_for_job(definition, tags=tags)
    instance.report_run_failed(lost)
    note(is_open)
    origin = RemoteJobOrigin(REPOSITORY, definition.name)
    code = JobPythonOrigin(definition.name, RepositoryPythonOrigin(sys.executable, ModuleCodePointer("m", "f")))
    queued = dg.DagsterRunStatus.QUEUED
    instance.create_run_for_job(definition, tags=tags, status=queued, remote_job_origin=origin, job_code_origin=code)
    note(is_open)
    note(failing)
    return found


def problems(instance: dg.DagsterInstance) -> list[list[str]]:
    """Return the problems with daemons that are up, that were, with a failed evaluation, and without a sensor."""
    found = []

    def note() -> None:
        found.append(status.problems(instance, time.time()))

    for age in (10, 700):
        for name in status.DAEMONS:
            instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - age, name, "d", []))
        note()
    for name in status.DAEMONS:
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), name, "d", []))
    origin = RemoteInstigatorOrigin(REPOSITORY, run_history.DISCOVERY)
    data = SensorInstigatorData()
    stored = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
    instance.add_instigator_state(stored)
    note()
    error = SerializableErrorInfo("line 3: no such credential", [], "Failure")
    tick = TickData(
        stored.instigator_origin_id,
        stored.name,
        stored.instigator_type,
        TickStatus.FAILURE,
        time.time(),
        error=error,
        selector_id=stored.selector_id,
    )
    instance.create_tick(tick)
    note()
    instance.update_instigator_state(stored.with_status(InstigatorStatus.STOPPED))
    note()
    return found


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
