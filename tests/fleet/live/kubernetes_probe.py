"""Runs in Dagster's environment: checks the configuration for Kubernetes against Dagster's and dagster-k8s's schemas.

Arguments: the paths of ``dagster.yaml`` and of the chart's values. Prints the errors as a JSON list.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config_schema
from dagster_k8s import K8sRunLauncher


def errors_of(schema: Any, value: Any) -> list[str]:
    """Return what is wrong with a value."""
    return [error.message for error in process_config(resolve_to_config_type(schema), value).errors or ()]


def as_dagster(value: Any) -> Any:
    """Return a chart's value in Dagster's spelling."""
    if isinstance(value, dict):
        return {
            re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name): as_dagster(one) for name, one in value.items()
        }
    return value


instance, values = (yaml.safe_load(Path(path).read_text("utf-8")) for path in sys.argv[1:])
daemon = values["dagsterDaemon"]
chart = {
    "run_monitoring": as_dagster(daemon["runMonitoring"]),
    "run_retries": as_dagster(daemon["runRetries"]),
    "telemetry": values["telemetry"],
}
launcher = as_dagster(values["runLauncher"]["config"]["k8sRunLauncher"])
# The chart adds these.
launcher |= {
    "service_account_name": "dagster",
    "instance_config_map": "dagster-instance",
    "dagster_home": "/opt/dagster",
}
found = [
    *errors_of(dagster_instance_config_schema(), instance),
    *errors_of(K8sRunLauncher.config_type(), instance["run_launcher"]["config"]),
    *errors_of(dagster_instance_config_schema(), chart),
    *errors_of(K8sRunLauncher.config_type(), launcher),
]
sys.stdout.write(json.dumps(found))
