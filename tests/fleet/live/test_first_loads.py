"""Two companies' first loads, due at the same time, into an empty database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tools.expectation import loaded_keys
from tools.fleet import WAREHOUSE, FleetRig
from tools.meltano import CHECKOUT, MELTANO
from tools.postgres import Postgres

SECONDS = 240
# Writes down when Meltano starts and ends.
OBSERVER = """#!/bin/sh
echo start >> {log}
{meltano} "$@"
code=$?
echo end >> {log}
exit $code
"""


@pytest.mark.timeout(300)
def test_the_second_waits_until_the_first_has_created_the_tables(server: Postgres, tmp_path: Path) -> None:
    log, observer = tmp_path / "log", tmp_path / "meltano"
    observer.write_text(OBSERVER.format(log=log, meltano=MELTANO))
    observer.chmod(0o755)
    with Sandbox() as pleo:
        jobs = {name: pleo.add_job(items=5) for name in ("acme", "beta")}
        companies: list[dict[str, Any]] = [
            {"id": name, "company_id": job.record["companyId"], "credential": "all"} for name, job in jobs.items()
        ]
        options = {
            "meltano": {"executable": str(observer), "project": str(CHECKOUT), "environment": "sandbox"},
            "limits": {"runs": 2, "runs_per_credential": 2},
        }
        credentials = {"all": {"api_key": {"env": "ALL_KEY"}}}
        secrets = {"ALL_KEY": pleo.api_key}
        home = tmp_path / "home"
        with FleetRig(home, server, pleo, companies, credentials, options, secrets, prefix="first_") as rig:
            rig.start_daemon()
            rig.wait(rig.settled([*jobs]), SECONDS, "both loads")
            runs = rig.runs()

    assert log.read_text().split() == ["start", "end"] * 2
    assert [run["status"] for run in runs] == ["SUCCESS"] * 2
    # They did not wait in Dagster's queue.
    assert runs[1]["start"] < runs[0]["end"]
    with server.connect("first_" + WAREHOUSE) as connection:
        assert len(loaded_keys(connection, "export_items")) == 10
