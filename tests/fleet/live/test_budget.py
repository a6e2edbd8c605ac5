"""Two concurrent runs and discovery share a credential's requests per minute: real Meltano, Pleo's record."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dagster_pleo_export import limits
from sandbox import Sandbox
from sandbox.recording import Request
from tools.fleet import DAGSTER, QUICK, FleetRig
from tools.postgres import Postgres

pytestmark = pytest.mark.timeout(600)
SECONDS = 300
PER_MINUTE = 30
RUNS = 2
INTERVAL = 3600
WAITING = "SELECT count(DISTINCT run_id) FROM event_logs WHERE event LIKE '%Request budget used up%'"
# A job has more pages than a run may request in a minute: each run spends its share at once, then waits.
PAGE_SIZE, PAGES = 5, 30
# A single run would use more than the budget of all of them.
OPTIONS: dict[str, Any] = {
    "settings": {"max_retries": 1, "page_size": PAGE_SIZE},
    "limits": {"runs": RUNS, "runs_per_credential": RUNS},
    "discovery": QUICK | {"interval": INTERVAL},
}


def test_concurrent_runs_and_discovery_share_the_budget_of_their_credential(server: Postgres, tmp_path: Path) -> None:
    with Sandbox() as pleo:
        jobs = {f"c{number}": pleo.add_job(items=PAGE_SIZE * PAGES) for number in range(RUNS)}
        companies = [
            {"id": name, "company_id": job.record["companyId"], "credential": "shared"} for name, job in jobs.items()
        ]
        credentials = {"shared": {"api_key": {"env": "SHARED_KEY"}, "requests_per_minute": PER_MINUTE}}
        options = OPTIONS | {"settings": OPTIONS["settings"] | {"api_url": pleo.url}}
        secrets = {"SHARED_KEY": pleo.api_key}
        with FleetRig(tmp_path / "home", server, pleo, companies, credentials, options, secrets) as rig:

            def all_wait_or_one_has_ended() -> bool:
                with server.connect(DAGSTER) as connection:
                    if not connection.execute("SELECT to_regclass('event_logs')").fetchone()[0]:  # type: ignore[index]
                        return False
                    waiting = connection.execute(WAITING).fetchone()
                return waiting == (RUNS,) or any(run["end"] for run in rig.runs())

            rig.start_daemon()
            rig.wait(all_wait_or_one_has_ended, SECONDS, "runs that wait for the next minute")
            statuses = [run["status"] for run in rig.runs()]
            rig.stop()
        requests = list(pleo.requests)

    share = limits.divide(PER_MINUTE, RUNS, INTERVAL, RUNS).run
    assert statuses == ["STARTED"] * RUNS
    for job in jobs.values():
        ids = {job.id, job.record["companyId"]}
        own = [r for r in requests if not r.user_agent.endswith("fleet") and ids & named_in(r)]
        # It has spent its whole share, so the limit was tested.
        assert most_in_a_minute(own) == share
    assert most_in_a_minute(requests) <= PER_MINUTE


def named_in(request: Request) -> set[str]:
    return {*itertools.chain.from_iterable(request.query.values()), *request.path.split("/")}


def most_in_a_minute(requests: list[Request]) -> int:
    minute = timedelta(seconds=60)
    return max(sum(first.time <= r.time < first.time + minute for r in requests) for first in requests)
