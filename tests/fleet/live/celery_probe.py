"""Runs in Dagster's environment: launches a run while Celery's broker is down. Prints its status and its events."""

import json
import sys
from types import SimpleNamespace

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from dagster_pleo_export.definitions import definitions

MODULE = "dagster_pleo_export.definitions"

with dg.DagsterInstance.get() as instance:
    pointer = ModuleCodePointer(MODULE, "definitions", None)
    origin = JobPythonOrigin("company", RepositoryPythonOrigin(sys.executable, pointer))
    run = instance.create_run_for_job(definitions.resolve_job_def("company"), job_code_origin=origin)
    instance.run_launcher.launch_run(SimpleNamespace(dagster_run=run, job_code_origin=origin))
    events = [entry.message for entry in instance.all_logs(run.run_id)]
    sys.stdout.write(json.dumps([instance.get_run_by_id(run.run_id).status.value, *events]))
