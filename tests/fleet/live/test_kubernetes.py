"""The configuration for Kubernetes has only settings that Dagster knows, and the limits of the example fleet file."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from dagster_pleo_export import companies, limits
from tests.conftest import CHECKOUT
from tools.fleet import BIN

FILES = CHECKOUT / "fleet" / "deploy" / "kubernetes"
# The environment variables that dagster.yaml names.
NAMED = ("DAGSTER_POSTGRES_URL", "DAGSTER_K8S_NAMESPACE", "PLEO_FLEET_IMAGE")


def problems(instance: Path, values: Path) -> list[str]:
    command = (BIN / "python", Path(__file__).with_name("kubernetes_probe.py"), instance, values)
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | dict.fromkeys(NAMED, "x")
    )
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(120)
def test_dagster_knows_every_setting(tmp_path: Path) -> None:
    instance, values = FILES / "dagster.yaml", FILES / "values.yaml"
    wrong = tmp_path / "dagster.yaml"
    wrong.write_text(instance.read_text("utf-8").replace("job_image:", "jobs_image:"))

    assert problems(instance, values) == []
    assert any("jobs_image" in problem for problem in problems(wrong, values))


def test_the_charts_limits_are_those_of_the_example_fleet_file() -> None:
    instance = limits.instance(companies.read_file(CHECKOUT / "fleet" / "fleet.example.yml"))
    wanted = instance["concurrency"]["runs"]
    daemon = yaml.safe_load((FILES / "values.yaml").read_text("utf-8"))["dagsterDaemon"]
    queue = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]

    assert queue["dequeueIntervalSeconds"] == instance["run_coordinator"]["config"]["dequeue_interval_seconds"]
    assert queue["maxConcurrentRuns"] == wanted["max_concurrent_runs"]
    assert queue["tagConcurrencyLimits"] == wanted["tag_concurrency_limits"]


def test_the_chart_does_not_replace_the_secret_that_it_is_given() -> None:
    values = yaml.safe_load((FILES / "values.yaml").read_text("utf-8"))

    # The chart's default is to write a secret of this name with its own password.
    assert values["global"]["postgresqlSecretName"]
    assert values["generatePostgresqlPasswordSecret"] is False
