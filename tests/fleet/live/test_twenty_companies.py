"""Twenty companies, real Meltano: a worker is killed, the daemon restarts, and every readable job is loaded."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox import Fault, Sandbox
from tools import fleet_world
from tools.expectation import loaded_keys
from tools.fleet import DAGSTER, WAREHOUSE, FleetRig
from tools.fleet_world import Twenty
from tools.postgres import Postgres

OPTIONS: dict[str, Any] = {"limits": {"runs": 3, "runs_per_credential": 2}, "alerts": {"fresh_minutes": 30}}
# The first test runs the whole story.
pytestmark = pytest.mark.timeout(1200)
SECONDS = 540
KILLED = "two-pages-1"
DONE_BEFORE_RESTART = 3


@dataclass
class Story:
    pleo: Sandbox
    rig: FleetRig
    world: Twenty
    status: dict[str, dict[str, Any]]
    kept: dict[str, bytes]


def kill_worker_when_read(pleo: Sandbox, rig: FleetRig, job_id: str) -> None:
    """Kill Dagster's worker, and nothing else, while the second page of a job is asked for."""

    def kill(_: Sandbox) -> None:
        for process in rig.workers(KILLED)[:1]:
            worker = process.parent()
            assert worker
            worker.kill()

    pleo.add_fault(Fault(path="/v3/export-items", query={"job_id": job_id}, nth=2, kind="callback", callback=kill))


@pytest.fixture(scope="module")
def story(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    home: Path = tmp_path_factory.mktemp("twenty") / "home"
    with Sandbox() as pleo:
        world = fleet_world.twenty(pleo)
        rig = FleetRig(home, server, pleo, world.companies, world.credentials, OPTIONS, world.secrets)
        for name, secret in world.files.items():
            (home / name).write_text(secret)
        kill_worker_when_read(pleo, rig, world.jobs[KILLED].id)
        with rig:
            rig.start_daemon()

            def some_done() -> bool:
                return [run["status"] for run in rig.runs()].count("SUCCESS") >= DONE_BEFORE_RESTART

            rig.wait(some_done, SECONDS, "the first loads")
            rig.stop("daemon")
            rig.start_daemon()
            rig.wait(rig.settled(world.readable), SECONDS, "the loads")
            status = rig.status()
            rig.stop()
            yield Story(pleo, rig, world, status, rig.texts())


def test_every_item_of_every_readable_job_is_loaded_once(story: Story) -> None:
    expected = Counter(
        (job.id, item["accountingEntryId"])
        for name in story.world.readable
        for job in (story.world.jobs[name],)
        for item in job.items
    )
    with story.rig.server.connect(WAREHOUSE) as connection:
        assert loaded_keys(connection, "export_items") == expected


def test_the_company_of_the_killed_worker_is_loaded_by_another_run(story: Story) -> None:
    statuses = [run["status"] for run in story.rig.runs() if run["company"] == KILLED]

    assert statuses[0] == "FAILURE"
    assert statuses[-1] == "SUCCESS"


def test_only_companies_with_something_to_load_got_a_run(story: Story) -> None:
    assert {run["company"] for run in story.rig.runs()} == set(story.world.readable)


def test_the_job_nearest_to_its_expiry_runs_first(story: Story) -> None:
    started = [run for run in story.rig.runs() if run["start"]]

    assert "near-expiry-1" in {run["company"] for run in sorted(started, key=lambda run: run["start"])[:3]}


def test_a_company_with_bad_credentials_is_reported_and_backed_off(story: Story) -> None:
    for name in ("bad-credentials-1", "bad-credentials-2"):
        assert story.status[name]["state"] == "failing"
        assert story.status[name]["why"].startswith("Pleo rejected the credentials (401 on /v3/export-jobs)")
    refused = [request for request in story.pleo.requests_to("/v3/export-jobs") if request.status == 401]
    asked = [request for request in story.pleo.requests_to("/v3/export-jobs") if request.status == 200]
    assert len(refused) * 3 < len(asked)


def test_the_freshness_check_names_failing_companies(story: Story) -> None:
    query = "SELECT evaluation_event FROM asset_check_executions WHERE check_name = 'fresh' ORDER BY id DESC LIMIT 1"
    with story.rig.server.connect(DAGSTER) as connection:
        row = connection.execute(query).fetchone()

    assert row
    assert "bad-credentials-1" in row[0]
    assert "Pleo rejected the credentials" in row[0]
    # Dagster stores a check's `passed` under this name.
    assert '"success": false' in row[0]


def test_runs_never_exceed_the_limits(story: Story) -> None:
    runs = [run for run in story.rig.runs() if run["start"] and run["end"]]
    moments = sorted(run["start"] for run in runs)
    for moment in moments:
        at_work = [run for run in runs if run["start"] <= moment < run["end"]]
        assert len(at_work) <= 3
        assert max(Counter(run["tags"]["pleo/credential"] for run in at_work).values()) <= 2
        assert max(Counter(run["company"] for run in at_work).values()) == 1


def test_no_minute_has_more_requests_than_the_budget(story: Story) -> None:
    credentials = {company["company_id"]: company["credential"] for company in story.world.companies}
    jobs = {job.id: credentials[job.record["companyId"]] for job in story.world.jobs.values()}
    times: dict[str, list[Any]] = {}
    for request in story.pleo.requests:
        ids = [*request.query.get("company_id", ()), *request.query.get("job_id", ()), *request.path.split("/")]
        for name in {*map(credentials.get, ids), *map(jobs.get, ids)} - {None}:
            times.setdefault(str(name), []).append(request.time)
    assert set(times) == set(credentials.values())
    for stamps in times.values():
        for first, beyond in zip(stamps, itertools.islice(stamps, 500, None), strict=False):
            assert beyond - first > timedelta(seconds=60)


def test_discovery_and_runs_share_one_oauth_rotation(story: Story) -> None:
    exchanges = story.pleo.requests_to("/oauth/token")

    assert [request.status for request in exchanges] == [200]
    assert not story.pleo.credentials.revoked


def test_no_secret_is_in_logs_storage_tags_or_run_config(story: Story) -> None:
    pleo, world = story.pleo, story.world
    secrets = {*world.secrets.values(), *world.files.values(), pleo.access_token, pleo.refresh_token}
    # Secrets belong in these files.
    places = {str(story.rig.home / name) for name in (*world.files, "partner-tokens.json")}
    assert len(story.kept) > 10

    leaks = [
        (where, secret[:24])
        for where, text in story.kept.items()
        for secret in secrets
        if where not in places and secret.encode() in text
    ]

    assert leaks == []


def test_no_process_is_left_running(story: Story) -> None:
    left = [p.pid for p in psutil.process_iter() if str(story.rig.home) in " ".join(_command(p))]

    assert left == []


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
