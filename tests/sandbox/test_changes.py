"""The writing half: what took effect is recorded, and answers can be lost, late or wrong before and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox import Change, Fault, Sandbox

if TYPE_CHECKING:
    from sandbox import Job
    from tests.sandbox.conftest import Client, Clock

BOOKED = {"status": "successful", "externalId": "JE-1"}


def put(client: Client, job: Job, *numbers: int, **members: str) -> requests.Response:
    ids = list(job.item_statuses)
    return client.update(job, *({"accountingEntryId": ids[number], **BOOKED, **members} for number in numbers))


def test_changes_are_recorded_once_each_in_order(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=2, status="in_progress", item_status=["pending", "failed"])
    first, second = job.item_statuses
    put(client, job, 0)
    put(client, job, 0, 1)
    put(client, job, 0, externalId="JE-2")
    client.event(job, "started")
    client.event(job, "completed_with_errors")
    client.event(job, "completed")

    assert pleo.changes == [
        Change(job.id, first, "successful", {"externalId": "JE-1"}),
        Change(job.id, first, "successful", {"externalId": "JE-2"}),
        Change(job.id, None, "completed_with_errors", {}),
    ]
    assert job.item_statuses[second] == "failed"


def test_reasons_of_a_failed_job_are_recorded(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1)
    client.event(job, "started")
    client.event(job, "failed", failureReasonType="integration_unusable", failureReason="Blocked")

    assert pleo.changes == [
        Change(job.id, None, "in_progress", {}),
        Change(job.id, None, "failed", {"failureReasonType": "integration_unusable", "failureReason": "Blocked"}),
    ]


def test_an_ignored_update_is_neither_carried_out_nor_mentioned(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=2, status="in_progress")
    ignored, other = job.item_statuses
    job.ignored.add(ignored)

    answer = put(client, job, 0, 1).json()

    assert [row["accountingEntryId"] for row in answer["data"]] == [other]
    assert answer["errors"] == []
    assert job.item_statuses[ignored] == "pending"
    assert [change.entry_id for change in pleo.changes] == [other]


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ({"kind": "status"}, 0),
        ({"kind": "status", "effect": True}, 1),
        ({"kind": "html"}, 0),
        ({"kind": "html", "effect": True}, 1),
        ({"kind": "reset"}, 1),
        ({"kind": "reset", "effect": False}, 0),
        ({"kind": "reset_body"}, 1),
        ({"kind": "reset_body", "effect": False}, 0),
        ({"kind": "truncate"}, 1),
        ({"kind": "truncate", "effect": False}, 0),
    ],
    ids=str,
)
def test_an_answer_is_spoilt_before_or_after_the_effect(
    pleo: Sandbox, client: Client, fault: dict[str, Any], changes: int
) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    pleo.add_fault(Fault(path="/v3/export-jobs/*/items", method="PUT", **fault))

    try:
        answer = put(client, job, 0)
    except requests.RequestException:
        answer = None

    assert answer is None or answer.status_code >= 500 or "html" in answer.headers["Content-Type"]
    assert len(pleo.changes) == changes


@pytest.mark.parametrize(("effect", "changes"), [(None, 0), (False, 0), (True, 1)])
def test_a_stall_comes_before_or_after_the_effect(
    pleo: Sandbox, client: Client, effect: bool | None, changes: int
) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    pleo.add_fault(Fault(path="/v3/export-jobs/*/items", method="PUT", kind="delay", seconds=600, effect=effect))
    body = [{"accountingEntryId": next(iter(job.item_statuses)), **BOOKED}]

    with pytest.raises(requests.ReadTimeout):
        requests.put(f"{pleo.url}/v3/export-jobs/{job.id}/items", json=body, auth=client.session.auth, timeout=(5, 0.3))

    assert len(pleo.changes) == changes


def test_a_job_expires_between_two_updates(pleo: Sandbox, client: Client, clock: Clock) -> None:
    job = pleo.add_job(items=2, status="in_progress")
    put(client, job, 0)
    clock.advance(hours=1)

    refused = put(client, job, 1)

    assert (refused.status_code, refused.json()["type"]) == (422, "EXPORT_JOB_STATUS_UNPROCESSABLE")
    assert list(job.item_statuses.values()) == ["successful", "abandoned"]
    assert len(pleo.changes) == 1


def test_another_integration_may_finish_a_job_in_between(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    pleo.add_fault(
        Fault(
            path="/v3/export-jobs/*/items",
            method="PUT",
            kind="callback",
            callback=lambda pleo: job.finish_elsewhere(pleo.now()),
        )
    )

    assert put(client, job, 0).status_code == 422
    assert (job.status, list(job.item_statuses.values())) == ("completed", ["successful"])
    assert pleo.changes == []
