"""Every item of every readable job, once, with its job and status, and with every digit."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox import Fault, Job, Sandbox
from tests.conftest import keys, partitions
from tests.tap.conftest import RunTap

JOBS = "/v3/export-jobs"


def test_every_item_of_every_page_arrives_once(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=25)

    run = run_tap(page_size=10)

    assert run.returncode == 0
    assert keys(run.records(), "jobId", "accountingEntryId") == [
        (job.id, item["accountingEntryId"]) for item in job.items
    ]
    assert [r.query["limit"] for r in pleo.requests_to("/v3/export-items")] == [["10"]] * 3


def test_records_are_the_payload_plus_job_and_status(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=30)

    records = run_tap().records()

    assert records == [item | {"jobId": job.id, "itemStatus": "pending"} for item in job.items]


def test_jobs_come_oldest_first_one_after_the_other(pleo: Sandbox, run_tap: RunTap) -> None:
    now = datetime.now(UTC)
    young, old, middle = (
        pleo.add_job(items=3, company_id=None, created_at=now - timedelta(minutes=minutes)) for minutes in (1, 30, 10)
    )

    run = run_tap()

    expected = [old.id, middle.id, young.id]
    assert [record["id"] for record in run.records("export_jobs")] == expected
    assert list(dict.fromkeys(record["exportJobId"] for record in run.records("export_job_items"))) == expected
    assert [record["jobId"] for record in run.records()] == [id_ for id_ in expected for _ in range(3)]


def test_each_list_is_fetched_once(pleo: Sandbox, run_tap: RunTap) -> None:
    jobs = [pleo.add_job(items=3) for _ in range(3)]

    run_tap()

    assert Counter(request.path for request in pleo.requests) == {
        "/v3/export-jobs": 1,
        "/v3/export-items": 3,
        **{f"/v3/export-jobs/{job.id}/items": 1 for job in jobs},
    }


def test_finished_jobs_feed_jobs_and_job_items_only(pleo: Sandbox, run_tap: RunTap) -> None:
    running = pleo.add_job(items=2)
    finished = pleo.add_job(items=2, status="completed", item_status="successful")

    run = run_tap(job_statuses=["pending", "in_progress", "completed"])

    assert run.returncode == 0
    assert {record["id"] for record in run.records("export_jobs")} == {running.id, finished.id}
    assert Counter(record["exportJobId"] for record in run.records("export_job_items")) == {
        running.id: 2,
        finished.id: 2,
    }
    assert {record["jobId"] for record in run.records()} == {running.id}
    assert all(request.query["job_id"] == [running.id] for request in pleo.requests_to("/v3/export-items"))


def test_items_of_other_statuses_are_skipped(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=6)
    statuses = ["pending", "in_progress", "successful", "failed", "abandoned", "pending"]
    for item, status in zip(job.items, statuses, strict=True):
        job.item_statuses[item["accountingEntryId"]] = status

    run = run_tap()

    assert [record["itemStatus"] for record in run.records()] == ["pending", "in_progress", "pending"]
    assert len(run.records("export_job_items")) == 6
    assert run.bookmark(job.id)["complete"] is True
    assert run.bookmark(job.id)["items"] == 6
    assert any("3 skipped because of 'item_statuses'" in line for line in run.log("INFO"))


def test_items_skipped_for_an_unknown_status_are_counted(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=6)
    statuses = ["pending", "archived", "archived", "par\nked", "successful", "pending"]
    for item, status in zip(job.items, statuses, strict=True):
        job.item_statuses[item["accountingEntryId"]] = status

    run = run_tap()

    assert run.returncode == 0
    assert len(run.records()) == 2
    (warning,) = run.warnings
    assert warning.startswith(f"Export job {job.id}: skipped 3 item(s) with unknown status")
    assert warning.endswith(" archived, par ked. Set 'item_statuses' to [] to include them")
    assert len(run_tap(item_statuses=[]).records()) == 6


def test_named_jobs_are_read_instead_of_discovered_ones(pleo: Sandbox, run_tap: RunTap) -> None:
    wanted, other = pleo.add_job(items=2), pleo.add_job(items=2)

    run = run_tap(job_ids=[wanted.id.upper()])

    assert {record["jobId"] for record in run.records()} == {wanted.id}
    assert not [r for r in pleo.requests if r.path == "/v3/export-jobs" or other.id in r.path]


def test_only_the_company_asked_for(pleo: Sandbox, run_tap: RunTap) -> None:
    mine, _other = pleo.add_job(items=2), pleo.add_job(items=2)

    run = run_tap(company_id=mine.record["companyId"])

    assert {record["jobId"] for record in run.records()} == {mine.id}
    assert pleo.requests[0].query["company_id"] == [mine.record["companyId"]]


def test_no_jobs_is_a_success(run_tap: RunTap) -> None:
    run = run_tap()

    assert run.returncode == 0
    assert partitions(run.state) == []
    assert [message["stream"] for message in run.messages if message["type"] == "SCHEMA"] == [
        "export_jobs",
        "export_job_items",
        "export_items",
    ]


@pytest.mark.parametrize("empty", [{1}, {2}, {3}, {2, 3}, {1, 2, 3, 4}])
def test_empty_pages_do_not_end_a_job(pleo: Sandbox, run_tap: RunTap, empty: set[int]) -> None:
    job = pleo.add_job(items=25)
    pleo.empty_page_at = empty

    run = run_tap(page_size=10)

    assert run.returncode == 0
    assert len(run.records()) == 25
    assert run.bookmark(job.id)["complete"] is True


def test_uuids_of_other_case_join(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=3)

    def shout(page: dict[str, Any]) -> dict[str, Any]:
        for row in page["data"]:
            row["accountingEntryId"] = row["accountingEntryId"].upper()
        return page

    pleo.add_fault(Fault(path=f"/v3/export-jobs/{job.id}/items", kind="rewrite", rewrite=shout, nth=None))

    run = run_tap()

    assert run.returncode == 0
    assert [record["itemStatus"] for record in run.records()] == ["pending"] * 3


def test_control_pages_fall_back_to_the_page_size_where_large_ones_are_refused(pleo: Sandbox, run_tap: RunTap) -> None:
    jobs = [pleo.add_job(items=25) for _ in range(2)]
    pleo.max_limit, pleo.max_limit_policy = 10, "refuse"

    run = run_tap(page_size=10)

    assert run.returncode == 0
    assert len(run.records("export_job_items")) == len(run.records()) == 50
    # Refused once in a run.
    lists = pleo.requests_to("/v3/export-jobs")[:2]
    assert [(request.query["limit"], request.status) for request in lists] == [(["1000"], 400), (["10"], 200)]
    control = [request for job in jobs for request in pleo.requests_to(f"/v3/export-jobs/{job.id}/items")]
    assert [request.status for request in control] == [200] * 6


def test_a_job_close_to_its_expiry_is_named_with_the_time_left(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=1, created_at=datetime.now(UTC), expires_in=10 * 60)

    assert run_tap().warnings == [
        f"Export job {job.id}: expires in 9 minute(s), {when} reading it" for when in ("before", "after")
    ]


def listed_with(job: Job, **members: Any) -> Fault:
    """Return a fault that changes one job's record in the list."""

    def change(page: dict[str, Any]) -> dict[str, Any]:
        return page | {"data": [record | members if record["id"] == job.id else record for record in page["data"]]}

    return Fault(path=JOBS, kind="rewrite", rewrite=change)


@pytest.mark.parametrize("status", ["paused", None])
def test_a_job_of_unknown_status_is_read(pleo: Sandbox, run_tap: RunTap, status: str | None) -> None:
    job = pleo.add_job(items=5)
    pleo.add_fault(listed_with(job, status=status))

    run = run_tap()

    assert run.returncode == 0, run.stderr
    assert len(run.records()) == 5
    assert run.bookmark(job.id)["complete"] is True


@pytest.mark.parametrize("status", ["", None])
def test_an_item_of_unknown_status_is_not_left_out(pleo: Sandbox, run_tap: RunTap, status: str | None) -> None:
    job = pleo.add_job(items=3)
    pleo.add_fault(
        Fault(
            path=f"{JOBS}/{job.id}/items",
            kind="rewrite",
            rewrite=lambda page: page | {"data": [page["data"][0] | {"status": status}, *page["data"][1:]]},
        )
    )

    run = run_tap(item_statuses=["pending"])

    assert run.returncode == 0, run.stderr
    assert [record["itemStatus"] for record in run.records()] == [None, "pending", "pending"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_ends_with_its_summary(pleo: Sandbox, run_tap: RunTap, fails: bool) -> None:
    job = pleo.add_job(items=25)
    pleo.add_job(items=4)
    if fails:
        pleo.add_fault(Fault(path="/v3/export-items", query={"job_id": job.id}, status=400, body={}, nth=None))

    run = run_tap(page_size=10)

    (line,) = (line for line in run.log("INFO") if '"metric":"run_summary"' in line)
    tags = json.loads(line.removeprefix("METRIC: "))["tags"]
    counts = (2, 1, 4, 1) if fails else (2, 0, 29, 4)
    assert tuple(tags[name] for name in ("jobs", "failed", "items", "pages")) == counts
    assert (tags["plugin"], tags["exit_code"]) == ("tap-pleo-export", run.returncode)


AMOUNTS = ["12345678901234567", "0.1", "1999.95", "-0.005", "123456789012345678901234567890.123456789", "1E+2", "-0.0"]
# A catalog's stream maps, flattening or deselection make the records take the SDK's way.
WAYS: dict[str, dict[str, Any]] = {
    "unchanged": {},
    "the SDK's way": {"stream_maps": {"export_items": {"__filter__": "True"}}, "stream_map_config": {}},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("amount", AMOUNTS)
def test_amounts_keep_every_digit(pleo: Sandbox, run_tap: RunTap, amount: str, way: str) -> None:
    job = pleo.add_job(items=1)
    job.items[0]["amount"]["inWalletCurrency"]["value"] = (
        Decimal(amount) if "." in amount or "E" in amount else int(amount)
    )

    run = run_tap(**WAYS[way])

    (value,) = [record["amount"]["inWalletCurrency"]["value"] for record in run.records()]
    assert str(value) == amount
    assert re.search(rb'"inWalletCurrency":\{[^}]*"value":' + re.escape(amount.encode()) + rb"[,}]", run.stdout)


def test_unknown_members_are_kept_and_each_name_is_reported_once(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=3)
    for item in job.items:
        item["carbonFootprint"] = {"grams": Decimal("12.50")}
        item["accountingEntryLines"][0]["project"] = "P-1"
        item["amount"]["inUniverse"] = None

    run = run_tap()

    assert run.returncode == 0
    for record in run.records():
        assert record["additionalFields"] == {"carbonFootprint": {"grams": Decimal("12.50")}}
        assert record["accountingEntryLines"][0]["project"] == "P-1"
        assert "inUniverse" in record["amount"]
    reported = [line for line in run.warnings if "new field" in line]
    assert sorted(re.findall(r"new field '([^']+)'", " ".join(reported))) == [
        "accountingEntryLines[].project",
        "amount.inUniverse",
        "carbonFootprint",
    ]
