"""Pleo's documented rules: statuses of jobs and items, expiry, credentials, malformed requests."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import Change, Sandbox
from sandbox.conformance import violations
from sandbox.jobs import JOB_STATUSES
from tests.conftest import BIN, CHECKOUT
from tests.sandbox.conftest import Client, Clock

UNKNOWN = "59540ed2-0d68-4e36-9e31-58223975d9e9"
EVENTS = {
    ("pending", "started"): "in_progress",
    ("in_progress", "completed"): "completed",
    ("in_progress", "completed_with_errors"): "completed_with_errors",
    ("in_progress", "failed"): "failed",
}


@pytest.mark.parametrize("status", JOB_STATUSES)
@pytest.mark.parametrize("event", ["started", "completed", "completed_with_errors", "failed"])
def test_events_follow_the_status_machine(pleo: Sandbox, client: Client, status: str, event: str) -> None:
    job = pleo.add_job(items=1, status=status)

    answer = client.event(job, event)

    expected = EVENTS.get((status, event))
    assert answer.status_code == (202 if expected else 422)
    assert job.status == (expected or status)
    assert violations("ExportJobV3", job.record) == []


def test_updates_are_accepted_one_by_one_and_recorded(pleo: Sandbox, client: Client, clock: Clock) -> None:
    job = pleo.add_job(items=4, status="in_progress", item_status=["pending", "in_progress", "failed", "pending"])
    first, second, third, locked = job.item_statuses
    job.locked.add(locked)
    clock.advance(minutes=5)
    answer = client.update(
        job,
        {"accountingEntryId": first.upper(), "status": "successful", "externalId": "JE-1", "externalUrl": "ext-url"},
        {"accountingEntryId": second, "status": "failed", "failureReasonType": "tag_unknown", "failureReason": "Tag"},
        {"accountingEntryId": third, "status": "successful"},
        {"accountingEntryId": locked, "status": "successful"},
        {"accountingEntryId": UNKNOWN, "status": "successful"},
    ).json()

    assert violations("ExportJobItemUpdateV3", answer) == []
    assert [row["accountingEntryId"] for row in answer["data"]] == [first, second]
    assert [(error["accountingEntryId"], error["type"]) for error in answer["errors"]] == [
        (third, "EXPORT_ENTRY_STATUS_UPDATE_FAILED"),
        (locked, "ACCOUNTING_ENTRY_UPDATE_FAILED"),
        (UNKNOWN, "ACCOUNTING_ENTRY_DOES_NOT_EXIST"),
    ]
    assert client.get(f"/v3/export-jobs/{job.id}/items").json()["data"][:2] == answer["data"]
    assert job.record["lastUpdatedAt"] == "2026-01-31T12:05:00Z"
    assert pleo.changes == [
        Change(job.id, first, "successful", {"externalId": "JE-1", "externalUrl": "ext-url"}),
        Change(job.id, second, "failed", {"failureReasonType": "tag_unknown", "failureReason": "Tag"}),
    ]


def test_jobs_expire_after_their_last_update(pleo: Sandbox, client: Client, clock: Clock) -> None:
    job = pleo.add_job(items=2, item_status=["successful", "pending"])
    clock.advance(minutes=50)
    client.event(job, "started")
    clock.advance(minutes=59)
    assert client.items(job).status_code == 200
    clock.advance(minutes=1)

    assert client.items(job).status_code == 422
    assert (job.record["failureReasonType"], job.record["expiredAt"]) == ("job_expired", "2026-01-31T13:50:00Z")
    assert list(job.item_statuses.values()) == ["successful", "abandoned"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v3/export-jobs?status=pending", None, 400),
        ("GET", "/v3/export-jobs?statuses=pending,in_progress", None, 400),
        ("GET", "/v3/export-items?jobId={id}", None, 400),
        ("GET", "/v3/export-items?job_id={id}&after=A", None, 400),
        ("GET", f"/v3/export-items?job_id={UNKNOWN}", None, 404),
        ("PUT", "/v3/export-jobs/{id}/items", [{"accountingEntryId": UNKNOWN, "status": "done"}], 400),
        ("PUT", "/v3/export-jobs/{id}/items", [{"accountingEntryId": UNKNOWN, "status": "failed"}] * 101, 413),
        ("POST", "/v3/export-job-events", {"jobId": UNKNOWN, "event": "canceled"}, 400),
        ("DELETE", "/v3/export-jobs", None, 405),
    ],
)
def test_bad_requests_are_refused(
    pleo: Sandbox, client: Client, method: str, path: str, body: Any, status: int
) -> None:
    job = pleo.add_job(items=1, status="in_progress")

    assert client.call(method, path.format(id=job.id), json=body).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v3/export-jobs", "export-jobs:read"),
        ("PUT", "/v3/export-jobs/{id}/items", "export-jobs:write"),
        ("POST", "/v3/export-job-events", "export-jobs:write"),
        ("GET", "/v3/export-items?job_id={id}", "export-items:read"),
    ],
)
def test_operations_require_credentials_and_a_scope(
    pleo: Sandbox, client: Client, method: str, path: str, scope: str
) -> None:
    path = path.format(id=pleo.add_job(items=1).id)
    pleo.scopes = {scope}
    assert client.call(method, path).status_code != 403
    pleo.scopes.clear()
    assert client.call(method, path).status_code == 403
    client.session.auth = (pleo.api_key, "x")
    assert client.call(method, path).status_code == 401


def test_refresh_tokens_rotate_and_a_spent_one_ends_the_authorisation(pleo: Sandbox, clock: Clock) -> None:
    def refresh(token: str) -> int:
        form = {"grant_type": "refresh_token", "client_id": pleo.client_id, "client_secret": pleo.client_secret}
        return requests.post(pleo.auth_url, data=form | {"refresh_token": token}, timeout=10).status_code

    def ask(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{pleo.url}/v3/export-jobs", headers=headers, timeout=10).status_code

    old_access, spent = pleo.access_token, pleo.refresh_token
    assert (ask(old_access), refresh("made up"), refresh(spent)) == (200, 400, 200)
    assert (ask(old_access), ask(pleo.access_token)) == (401, 200)
    clock.advance(seconds=3600)
    assert ask(pleo.access_token) == 401
    assert (refresh(pleo.refresh_token), refresh(spent), refresh(pleo.refresh_token)) == (200, 400, 400)
    assert ask(pleo.access_token) == 401
    pleo.authorise_anew()
    assert refresh(pleo.refresh_token) == 200


def test_the_command_prints_settings_that_a_shell_accepts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "--seed", "3", "--world", "empty"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        shell = subprocess.run(["sh", "-c", f"{''.join(lines)}env"], capture_output=True, text=True, check=True)
        settings = dict(line.split("=", 1) for line in shell.stdout.splitlines() if line.startswith("TAP_PLEO"))
        pasted = lines[-1].removeprefix("# ")
        oauth = subprocess.run(
            ["sh", "-c", f"{''.join(lines)}{pasted}exec '{BIN}'/tap-pleo-export --config=ENV --test"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Connected to" in oauth.stderr
        key = settings["TAP_PLEO_EXPORT_API_KEY"]
        answer = requests.get(f"{settings['TAP_PLEO_EXPORT_API_URL']}/v3/export-jobs", auth=(key, ""), timeout=10)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert answer.json()["data"] == []
