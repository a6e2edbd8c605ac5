"""One company reports to Pleo, the other does not: real Dagster, real Meltano, Pleo's own record of changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.jobs import Job
from sandbox.kinds import KINDS
from sandbox.recording import Change, Request
from tools.fleet import DAGSTER, WAREHOUSE, FleetRig
from tools.postgres import Postgres

REPORTING, SILENT = "reporting", "silent"
pytestmark = pytest.mark.timeout(900)
SECONDS = 540
# Each kind of the sandbox once: some fail their checks.
ITEMS = len(KINDS)


@dataclass
class Story:
    jobs: dict[str, Job]
    changes: list[Change]
    requests: list[Request]
    failed: set[tuple[str, str]]
    reports: list[str]


@pytest.fixture(scope="module")
def story(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with Sandbox() as pleo:
        jobs = {name: pleo.add_job(items=ITEMS) for name in (REPORTING, SILENT)}
        companies: list[dict[str, Any]] = [
            {"id": name, "company_id": job.record["companyId"], "credential": "partner"} for name, job in jobs.items()
        ]
        companies[0]["report"] = True
        credentials = {"partner": {"api_key": {"env": "PARTNER_KEY"}}}
        home = tmp_path_factory.mktemp("reporting") / "home"
        with FleetRig(home, server, pleo, companies, credentials, secrets={"PARTNER_KEY": pleo.api_key}) as rig:
            rig.start_daemon()
            rig.wait(rig.settled(jobs), SECONDS, "the runs")
        with server.connect(WAREHOUSE) as connection:
            failed = connection.execute(
                """SELECT "jobId", "accountingEntryId" FROM export_items WHERE "validationStatus" = 'failed'"""
            ).fetchall()
        with server.connect(DAGSTER) as connection:
            reports = connection.execute(
                """
                SELECT partition FROM event_logs
                WHERE asset_key = '["report"]' AND dagster_event_type = 'ASSET_MATERIALIZATION'
                """
            ).fetchall()
        yield Story(jobs, list(pleo.changes), list(pleo.requests), set(failed), [name for (name,) in reports])


def test_only_failed_items_of_a_reporting_company_are_marked_in_pleo(story: Story) -> None:
    job = story.jobs[REPORTING].id
    failed = {(job_id, entry) for job_id, entry in story.failed if job_id == job}

    assert 0 < len(failed) < ITEMS
    # The control layer spells some ids in another case.
    changes = [(change.job_id, str(change.entry_id).lower(), change.status) for change in story.changes]
    assert sorted(changes) == sorted((job_id, entry.lower(), "failed") for job_id, entry in failed)
    assert all(change.details["failureReason"] for change in story.changes)
    assert story.reports == [REPORTING]


def test_a_company_that_does_not_report_is_only_loaded(story: Story) -> None:
    job = story.jobs[SILENT]
    # It has items that would be marked.
    assert any(job_id == job.id for job_id, _ in story.failed)

    written = [request for request in story.requests if request.method != "GET"]
    assert written
    assert not [request for request in written if job.id in f"{request.path} {request.body!r}"]
    assert set(job.item_statuses.values()) == {"pending"}


def test_no_job_is_started_or_completed(story: Story) -> None:
    assert not [request for request in story.requests if request.is_to("/v3/export-job-events")]
    assert {job.record["status"] for job in story.jobs.values()} == {"pending"}
