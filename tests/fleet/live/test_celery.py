"""Dagster's launcher for Celery without a broker; ``test_hosts.py`` has the rest."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import yaml

from dagster_pleo_export import companies, limits
from tests.conftest import CHECKOUT
from tools.fleet import BIN

FLEET = {
    "companies": [{"id": "acme"}],
    "credentials": {"acme": {"api_key": {"env": "ACME_KEY"}}},
    "engine": {"celery": {"broker": {"env": "BROKER_URL"}}},
}


def test_a_run_is_not_failed_at_once_while_the_broker_is_down(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yml"
    file.write_text(yaml.safe_dump(FLEET))
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(limits.instance(companies.read_file(file))))
    # Nothing listens on this port.
    more = {"BROKER_URL": "redis://:fake-secret-of-the-broker@127.0.0.1:1/0", "ACME_KEY": "fake"}
    environment = os.environ | more | {"DAGSTER_HOME": str(tmp_path), "PLEO_FLEET": str(file)}
    environment |= {"PYTHONPATH": f"{CHECKOUT / 'fleet'}:{CHECKOUT}"}
    command = (BIN / "python", Path(__file__).with_name("celery_probe.py"))
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    status, *events = json.loads(done.stdout)
    assert status == "NOT_STARTED"
    assert any("Celery's broker cannot be reached (" in event for event in events)
    assert "fake-secret" not in done.stdout + done.stderr
