"""``status`` and the sensor on a Dagster instance in memory; the real Meltano refuses its environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import Sandbox
from tests.conftest import CHECKOUT
from tools.fleet import BIN
from tools.meltano import MELTANO, environment_without_settings

NAMES = ("acme", "beta")


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """Return the output of the probe, and its log."""
    folder = tmp_path_factory.mktemp("status")
    with Sandbox() as pleo:
        job = pleo.add_job(items=1)
        ids = [job.record["companyId"], "00000000-0000-4000-8000-000000000001"]
        companies: list[dict[str, Any]] = [
            {"id": name, "company_id": company_id, "credential": "shared"}
            for name, company_id in zip(NAMES, ids, strict=True)
        ]
        fleet = {
            "companies": [*companies, {"id": "bad", "company_id": "no uuid"}],
            "credentials": {"shared": {"api_key": {"env": "SHARED_KEY"}}},
            "settings": {"api_url": pleo.url},
            "meltano": {"executable": MELTANO, "project": str(CHECKOUT), "environment": "nowhere"},
        }
        (folder / "dagster.yaml").write_text("telemetry: {enabled: false}")
        (folder / "fleet.yml").write_text(yaml.safe_dump(fleet))
        environment = {
            **environment_without_settings(),
            "PYTHONPATH": f"{CHECKOUT / 'fleet'}:{CHECKOUT}",
            "DAGSTER_HOME": str(folder),
            "NO_PROXY": "127.0.0.1",
            "PLEO_FLEET": str(folder / "fleet.yml"),
            "SHARED_KEY": pleo.api_key,
            "MELTANO_DATABASE_URI": f"sqlite:///{folder}/meltano.db",
        }
        command = [BIN / "python", Path(__file__).with_name("dagster_probe.py")]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def states(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["company"]: row["state"] for row in rows}


def test_a_company_is_idle_only_after_it_was_asked(probed: tuple[dict[str, Any], str]) -> None:
    printed, _ = probed

    assert states(printed["before"]) == {"acme": "not asked yet", "bad": "left out", "beta": "not asked yet"}
    assert states(printed["asked"]) == {"acme": "idle", "bad": "left out", "beta": "idle"}
    assert printed["before"][1]["why"] == "company_id must be a UUID"


def test_a_bad_entry_does_not_stop_the_others_and_is_logged_once(probed: tuple[dict[str, Any], str]) -> None:
    printed, log = probed

    assert printed["requested"] == ["acme"]
    assert log.count("Left out: Company 'bad': company_id must be a UUID") == 1
    assert printed["cursor"]["left_out"] == ["Company 'bad': company_id must be a UUID"]
    assert printed["bad"] == "Company 'bad': company_id must be a UUID"


def test_the_sensors_are_due_before_dagster_looks(probed: tuple[dict[str, Any], str]) -> None:
    # It looks at 15 s, the default, or some milliseconds earlier, and 5 s later again.
    assert all(10 < seconds < 14 for seconds in probed[0]["seconds between evaluations"])


def test_an_unknown_environment_of_meltano_is_the_reason_of_the_failure(probed: tuple[dict[str, Any], str]) -> None:
    acme = next(row for row in probed[0]["after"] if row["company"] == "acme")

    assert (acme["state"], acme["why"]) == ("failure", "Environment 'nowhere' was not found")


def test_a_company_with_a_run_that_names_no_job_is_busy(probed: tuple[dict[str, Any], str]) -> None:
    assert probed[0]["histories"] == ["busy", "new"]


def test_a_lost_run_is_no_attempt_unless_its_job_loses_many(probed: tuple[dict[str, Any], str]) -> None:
    # Of the many, the last one counts: the next attempt waits from its end.
    assert probed[0]["lost"] == [["new", 0, 1, False], ["failed", 1, 6, True]]


def test_only_lost_runs_are_requested_again_at_once(probed: tuple[dict[str, Any], str]) -> None:
    # The failed runs of acme and bad are not among them.
    assert probed[0]["companies of lost runs"] == ["j3"] * 6 + ["j2"]


def test_the_state_of_a_run_and_its_retry(probed: tuple[dict[str, Any], str]) -> None:
    assert probed[0]["states of runs"] == [
        ["started", ""],
        # The second attempt failed.
        ["failure", 2],
        # Its job has expired, or is not open any longer.
        ["failure", ""],
        ["failure", ""],
        # A lost run is retried with the next poll.
        ["failure", 0],
        ["queued", ""],
        ["failing", 5],
    ]


def test_a_table_that_may_be_old_says_why(probed: tuple[dict[str, Any], str]) -> None:
    assert probed[0]["problems"] == [
        ["Dagster's daemon has not run yet: start dagster-daemon"],
        [],
        ["Dagster's daemon has not reported for 11 minutes: start dagster-daemon"],
        [],
        ["The last evaluation of the sensor discovery failed: line 3: no such credential"],
        ["The sensor discovery is switched off, so no company is polled: switch it on in Dagster's UI"],
    ]
