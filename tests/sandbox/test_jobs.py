from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.conformance import violations
from sandbox.jobs import ITEM_TRANSITIONS, JOB_STATUSES

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.sandbox.conftest import Client, Clock

UNKNOWN = "59540ed2-0d68-4e36-9e31-58223975d9e9"
EVENTS = {
    ("pending", "started"): "in_progress",
    ("in_progress", "completed"): "completed",
    ("in_progress", "completed_with_errors"): "completed_with_errors",
    ("in_progress", "failed"): "failed",
}


def test_jobs_are_listed_by_company_and_status(pleo: Sandbox, client: Client) -> None:
    one, two, three = (pleo.add_job(items=1, status=status) for status in ("pending", "in_progress", "failed"))

    def listed(**query: Any) -> set[str]:
        return {job["id"] for job in client.get("/v3/export-jobs", **query).json()["data"]}

    assert listed() == {one.id, two.id, three.id}
    assert listed(statuses=["pending", "in_progress"]) == {one.id, two.id}
    assert listed(company_id=one.record["companyId"].upper()) == {one.id}
    assert listed(company_id=two.record["companyId"], statuses="pending") == set()
    assert client.get(f"/v3/export-jobs/{one.id.upper()}").json() == {"data": one.record}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v3/export-jobs", {"statuses": "pending,in_progress"}),
        ("/v3/export-jobs", {"company_id": "mine"}),
        ("/v3/export-jobs", {"status": "pending"}),
        ("/v3/export-jobs/1", {}),
        ("/v3/export-items", {}),
        ("/v3/export-items", {"jobId": UNKNOWN}),
        ("/v3/export-items", {"job_id": "1"}),
        (f"/v3/export-jobs/{UNKNOWN}/items", {"statuses": "pending"}),
    ],
)
def test_misspelt_or_malformed_parameters_are_400(client: Client, path: str, query: dict[str, str]) -> None:
    answer = client.get(path, **query)
    assert answer.status_code == 400
    assert violations("ExceptionInfo", answer.json()) == []


@pytest.mark.parametrize("status", JOB_STATUSES)
@pytest.mark.parametrize("event", ["started", "completed", "completed_with_errors", "failed"])
def test_events_move_a_job_only_along_the_status_machine(
    pleo: Sandbox, client: Client, status: str, event: str
) -> None:
    job = pleo.add_job(items=1, status=status)
    answer = client.event(job, event)
    if (expected := EVENTS.get((status, event))) is None:
        assert answer.status_code == 422
        assert answer.json() == {
            "type": "INVALID_EXPORT_JOB_STATUS_CHANGE",
            "message": "Export Job status change failed",
        }
        assert job.status == status
    else:
        assert (answer.status_code, answer.content) == (202, b"")
        assert job.status == expected
    assert violations("ExportJobV3", job.record) == []


def test_a_sandbox_may_let_a_job_be_completed_unstarted(pleo: Sandbox, client: Client) -> None:
    pleo.started_required = False
    assert client.event(pleo.add_job(items=1), "completed").status_code == 202


def test_a_failed_job_carries_its_reason_and_abandons_unfinished_items(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=3, status="in_progress", item_status=["successful", "pending", "in_progress"])
    client.event(job, "failed", failureReason="No journal", failureReasonType="missing_configuration")
    assert job.record["failureReasonType"] == "missing_configuration"
    assert list(job.item_statuses.values()) == ["successful", "abandoned", "abandoned"]


@pytest.mark.parametrize(
    "event",
    [
        {"event": "started"},
        {"exportJobId": UNKNOWN, "event": "started"},
        {"jobId": UNKNOWN, "event": "canceled"},
        {"jobId": UNKNOWN, "event": "failed", "failureReasonType": "vendor_unknown"},
    ],
)
def test_malformed_events_are_400(client: Client, event: dict[str, str]) -> None:
    assert client.call("POST", "/v3/export-job-events", json=event).status_code == 400


@pytest.mark.parametrize("status", ["completed", "completed_with_errors", "failed"])
def test_items_of_a_finished_job_cannot_be_read_but_its_control_layer_can(
    pleo: Sandbox, client: Client, status: str
) -> None:
    job = pleo.add_job(items=2, status=status)
    answer = client.items(job)
    assert answer.status_code == 422
    assert answer.json() == {
        "type": "EXPORT_JOB_STATUS_UNPROCESSABLE",
        "message": "Export Job is finished and can no longer be processed.",
    }
    assert len(client.get(f"/v3/export-jobs/{job.id}/items").json()["data"]) == 2


def test_a_job_expires_after_its_last_update_and_reading_does_not_prolong_it(
    pleo: Sandbox, client: Client, clock: Clock
) -> None:
    job = pleo.add_job(items=2, item_status=["successful", "pending"])
    clock.advance(minutes=50)
    assert client.items(job).status_code == 200
    client.event(job, "started")
    clock.advance(minutes=59)
    assert client.items(job).status_code == 200
    clock.advance(minutes=1)
    assert client.items(job).status_code == 422
    (record,) = client.get("/v3/export-jobs", statuses="failed").json()["data"]
    assert record["failureReasonType"] == "job_expired"
    assert record["expiredAt"] == "2026-01-31T13:50:00Z"
    assert list(job.item_statuses.values()) == ["successful", "abandoned"]


def test_the_time_of_creation_and_the_life_of_a_job_can_be_chosen(pleo: Sandbox) -> None:
    job = pleo.add_job(items=1, created_at=pleo.now() - timedelta(seconds=30), expires_in=90)
    assert job.record["createdAt"] == "2026-01-31T11:59:30Z"
    assert job.expires_at == pleo.now() + timedelta(seconds=60)


def test_unknown_jobs_are_404(client: Client) -> None:
    not_found = {"type": "EXPORT_NOT_FOUND", "message": "Export job not found."}
    for method, path, body in (
        ("GET", f"/v3/export-jobs/{UNKNOWN}", None),
        ("GET", f"/v3/export-jobs/{UNKNOWN}/items", None),
        ("PUT", f"/v3/export-jobs/{UNKNOWN}/items", []),
        ("GET", f"/v3/export-items?job_id={UNKNOWN}", None),
        ("POST", "/v3/export-job-events", {"jobId": UNKNOWN, "event": "started"}),
    ):
        answer = client.call(method, path, json=body)
        assert (answer.status_code, answer.json()) == (404, not_found)


def test_missing_contra_accounts_are_400_and_name_the_currencies(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1)
    job.missing_contra = ["EUR", "USD"]
    answer = client.items(job)
    assert (answer.status_code, answer.json()["type"]) == (400, "MISSING_CONTRA_ACCOUNTS")
    assert "EUR, USD" in answer.json()["message"]


def test_updates_are_accepted_one_by_one(pleo: Sandbox, client: Client, clock: Clock) -> None:
    job = pleo.add_job(items=3, status="in_progress", item_status=["pending", "in_progress", "failed"])
    first, second, third = job.item_statuses
    clock.advance(minutes=5)
    answer = client.update(
        job,
        {"accountingEntryId": first.upper(), "status": "successful", "externalId": "JE-1", "externalUrl": "ext-url"},
        {"accountingEntryId": second, "status": "failed", "failureReasonType": "tag_unknown", "failureReason": "Tag"},
        {"accountingEntryId": third, "status": "successful"},
        {"accountingEntryId": UNKNOWN, "status": "successful"},
    )
    assert answer.status_code == 200
    assert violations("ExportJobItemUpdateV3", answer.json()) == []
    accepted, refused = answer.json()["data"], answer.json()["errors"]
    assert [row["accountingEntryId"] for row in accepted] == [first, second]
    assert [(error["accountingEntryId"], error["type"]) for error in refused] == [
        (third, "EXPORT_ENTRY_STATUS_UPDATE_FAILED"),
        (UNKNOWN, "ACCOUNTING_ENTRY_DOES_NOT_EXIST"),
    ]
    rows = client.get(f"/v3/export-jobs/{job.id}/items").json()["data"]
    assert rows[:2] == accepted
    assert (rows[0]["externalId"], rows[1]["failureReasonType"]) == ("JE-1", "tag_unknown")
    assert job.record["lastUpdatedAt"] == "2026-01-31T12:05:00Z"


@pytest.mark.parametrize("current", ITEM_TRANSITIONS)
def test_repeating_an_item_status_is_harmless(pleo: Sandbox, client: Client, current: str) -> None:
    job = pleo.add_job(items=1, status="in_progress", item_status=current)
    (entry,) = job.item_statuses
    answer = client.update(job, {"accountingEntryId": entry, "status": current}).json()
    assert (len(answer["data"]), answer["errors"]) == (1, [])


def test_more_than_100_updates_are_413(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=101, status="in_progress")
    updates = [{"accountingEntryId": entry, "status": "successful"} for entry in job.item_statuses]
    answer = client.update(job, *updates)
    assert answer.status_code == 413
    assert answer.json() == {
        "type": "EXPORT_JOB_ITEMS_UPDATE_LIMIT",
        "message": "Number of items to update is more than 100.",
    }
    assert set(job.item_statuses.values()) == {"pending"}
    assert client.update(job, *updates[:100]).status_code == 200


def test_updates_of_a_finished_job_are_422(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1, status="completed")
    answer = client.update(job, {"accountingEntryId": next(iter(job.item_statuses)), "status": "failed"})
    assert answer.status_code == 422
    assert answer.json() == {"type": "EXPORT_JOB_STATUS_UNPROCESSABLE", "message": "Export job is finished."}


@pytest.mark.parametrize(
    "update",
    [
        {"status": "successful"},
        {"accountingEntryId": UNKNOWN, "status": "done"},
        {"accountingEntryId": UNKNOWN, "status": "failed", "failureReasonType": "job_expired"},
        {"accountingEntryId": UNKNOWN, "status": "successful", "externalId": None},
        {"accountingEntryId": UNKNOWN, "status": "successful", "externalID": "JE-1"},
    ],
)
def test_malformed_updates_are_400(pleo: Sandbox, client: Client, update: dict[str, Any]) -> None:
    assert client.update(pleo.add_job(items=1), update).status_code == 400


def test_bodies_must_be_json(pleo: Sandbox, client: Client) -> None:
    path = f"/v3/export-jobs/{pleo.add_job(items=1).id}/items"
    assert client.call("PUT", path, data="[]").status_code == 415
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    assert client.call("PUT", path, data="[", headers=headers).status_code == 400
    assert client.call("PUT", path, data="[]", headers=headers).status_code == 200


def test_job_items_can_be_filtered_by_status(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=10, item_status=["pending", "successful", "failed", "in_progress", "abandoned"])
    path = f"/v3/export-jobs/{job.id}/items"
    assert {row["status"] for row in client.get(path, status="failed").json()["data"]} == {"failed"}
    assert client.get(path, status="done").status_code == 400


def test_the_control_layer_may_write_ids_in_another_case(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=50)
    path = f"/v3/export-jobs/{job.id}/items"
    assert [row["accountingEntryId"] for row in client.get(path).json()["data"]] == list(job.item_statuses)
    pleo.lowercase_control_ids = True
    lower = [row["accountingEntryId"] for row in client.get(path).json()["data"]]
    assert lower == [entry.lower() for entry in job.item_statuses] != list(job.item_statuses)


def test_other_paths_and_methods_are_refused_in_json(client: Client) -> None:
    assert client.get("/v2/export-items").json() == {"type": "NOT_FOUND"}
    assert client.call("DELETE", "/v3/export-jobs").status_code == 405
