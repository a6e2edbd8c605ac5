"""Entries that several jobs delivered, and jobs that have passed their expiry."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tap_pleo_export.blocked_report.jsonl_reader import read_lines
from tap_pleo_export.blocked_report.record_store import RecordStore
from tests.blocked_report.conftest import STREAMS, ReportRun, load_sqlite
from tests.helpers import books, mapper

Make = Callable[..., ReportRun]

OLD, NEW = "0a1b2c3d-0000-4000-8000-00000000000a", "0a1b2c3d-0000-4000-8000-00000000000b"
ENTRY = mapper.item()["accountingEntryId"]


def job(job_id: str, created: int, left: int | None = 30, status: str = "in_progress") -> dict[str, Any]:
    """Return a job by the minutes since its creation and until its expiry."""
    at = books.NOW - timedelta(minutes=created)
    expires = None if left is None else (books.NOW + timedelta(minutes=left)).isoformat()
    return {
        "id": job_id, "companyId": mapper.COMPANY, "status": status, "numberOfItems": 4,
        "createdAt": at.isoformat(), "expiresAt": expires,
    }  # fmt: skip


def listed(job_id: str, status: str = "pending", entry: str = ENTRY) -> dict[str, Any]:
    return {"exportJobId": job_id, "accountingEntryId": entry, "status": status}


def messages(jobs: list[dict[str, Any]], job_items: list[dict[str, Any]], items: list[dict[str, Any]]) -> bytes:
    """Return the mapper's output."""
    records = dict(zip(STREAMS, (jobs, job_items, items), strict=True))
    sent = [mapper.schema("export_jobs", {}), mapper.schema("export_job_items", {}), mapper.schema()]
    sent += [mapper.record(record, stream) for stream, found in records.items() for record in found]
    return mapper.run(b"".join(sent), mapper.GOOD).data


def exported_again() -> bytes:
    """Return four entries of a job that has expired, and the same in a running one, whose ids are in upper case."""
    items = [mapper.item(number, amount=books.money("EUR", 1000 * number)) for number in (1, 2, 3)]
    items = [item | books.one_line("EUR", item["amount"]["inWalletCurrency"]["value"]) for item in items]
    items.append(mapper.failing(4, amount=books.money("EUR", 725)))
    found = [item | {"jobId": OLD} for item in items]
    found += [item | {"jobId": NEW.upper(), "accountingEntryId": item["accountingEntryId"].upper()} for item in items]
    job_items = [listed(item["jobId"], entry=item["accountingEntryId"]) for item in found]
    return messages([job(OLD, 200, -140), job(NEW.upper(), 20, 40)], job_items, found)


def given(source: str, data: bytes, folder: Path) -> tuple[bytes | None, list[str]]:
    """Return input and arguments for one of the sources that the report reads."""
    if source == "messages":
        return data, []
    if source == "database":
        load_sqlite(folder / "loaded.db", data)
        return None, ["--sqlalchemy-url", f"sqlite:///{folder / 'loaded.db'}"]
    for stream in STREAMS:
        (folder / f"{stream}.jsonl").write_bytes(b"".join(map(mapper.line, mapper.Output(data).records(stream))))
    return None, [str(folder / f"{stream}.jsonl") for stream in STREAMS]


@pytest.mark.parametrize("source", ["messages", "files", "database"])
def test_an_entry_in_two_jobs_counts_once(make_report: Make, tmp_path: Path, source: str) -> None:
    data, arguments = given(source, exported_again(), tmp_path)

    made = make_report(data, *arguments)

    assert (made.returncode, made.errors) == (0, "")
    assert "3  ready to book        60.00 EUR" in made.stdout
    assert "1  blocked              7.25 EUR" in made.stdout
    assert {row["job"] for row in made.rows} == {NEW}
    assert len(made.rows) == made.run_summary["tags"]["items"] == 4
    over, running = made.page.split('<li class="job">')[1:]
    assert "Over: expired 3 Mar 2026, 11:50 UTC" in re.sub("</?time.*?>", "", over)
    assert 'Counted in another job</dt><dd><data value="4">' in over
    assert "Waiting" not in over
    assert "<strong>40 min</strong> left" in running


def deciding(jobs: list[dict[str, Any]], job_items: list[dict[str, Any]], *delivered: str) -> list[str]:
    """Return the job whose item counts, if any, of those that delivered an entry."""
    store = RecordStore(now=books.NOW)
    data = messages(jobs, job_items, [mapper.item(jobId=job_id) for job_id in delivered])
    read_lines(io.BytesIO(data), "input", "", store, lambda _size: None)
    found = [item.job for item in store.items_except(set())]
    store.close()
    return found


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("jobs", "statuses", "decides"),
    [
        ([job(OLD, 90), job(NEW, 20)], [], NEW),
        ([job(NEW, 90), job(OLD, 20)], [], OLD),
        ([job(OLD, 20), job(NEW, 20)], [], NEW),
        ([job(OLD, 90), job(NEW, 20, -1)], [], OLD),
        ([job(OLD, 90), job(NEW, 20, 0)], [], OLD),
        ([job(OLD, 90), job(NEW, 20, status="completed")], [], OLD),
        ([job(OLD, 90), job(NEW, 20, status="failed")], [], OLD),
        ([job(OLD, 90, None), job(NEW, 20, -1)], [], OLD),
        ([job(OLD, 90), job(NEW, 20)], [listed(NEW, "abandoned")], OLD),
        ([job(OLD, 90), job(NEW, 20)], [listed(NEW, "failed")], NEW),
        ([job(OLD, 90, -5), job(NEW, 20, -1)], [], NEW),
        ([job(OLD, 90, status="completed"), job(NEW, 20, -1)], [], NEW),
        ([job(OLD, 90)], [], OLD),
    ],
)
def test_latest_delivery_that_can_be_written_to_decides(
    jobs: list[dict[str, Any]], statuses: list[dict[str, Any]], decides: str, order: int
) -> None:
    assert deciding(jobs[::order], statuses, *(OLD, NEW)[::order]) == [decides]


def test_a_later_job_decides_before_its_items_are_read() -> None:
    assert deciding([job(OLD, 90, -5), job(NEW, 20)], [listed(OLD), listed(NEW)], OLD) == []


def test_entries_that_no_later_job_has_still_count(make_report: Make) -> None:
    items = [mapper.item(1, jobId=OLD), mapper.failing(2, jobId=OLD), mapper.item(1, jobId=NEW)]
    made = make_report(messages([job(OLD, 200, -140), job(NEW, 20)], [listed(OLD)], items))

    assert [(row["job"], row["state"], row["needs"]) for row in made.rows] == [
        (OLD, "blocked", "to be exported again"),
        (NEW, "ready", "to be recorded and reported"),
    ]
    assert "Job 0a1b2c3d, expired 3 Mar 2026, 11:50 UTC: 1 to be exported again" in made.stdout


def test_ended_jobs_decide_without_their_job_items(make_report: Make, tmp_path: Path) -> None:
    items = [mapper.item(jobId=OLD), mapper.item(jobId=NEW)]
    data = messages([job(OLD, 200, -140), job(NEW, 20, status="completed")], [], items)
    load_sqlite(tmp_path / "loaded.db", data, ("export_jobs", "export_items"))

    made = make_report(None, "--sqlalchemy-url", f"sqlite:///{tmp_path / 'loaded.db'}")

    assert (made.rows, made.errors) == ([], "")


def test_what_waits_is_shown_by_need(make_report: Make) -> None:
    items = [mapper.item(1), mapper.failing(2), mapper.failing(3), mapper.item(4, companyId=books.SUBSIDIARY)]
    job_items = [listed(mapper.JOB, entry="unread"), listed(mapper.JOB, "successful", "done"), listed(mapper.JOB)]
    records = [mapper.record(record, "export_jobs") for record in [job(mapper.JOB, 22, 38)]]
    records += [mapper.record(record, "export_job_items") for record in job_items]
    company = mapper.GOOD["configuration"][0] | {"companyId": mapper.COMPANY}
    sent = b"".join([mapper.schema("export_jobs", {}), mapper.schema("export_job_items", {}), mapper.schema()])
    data = mapper.run(sent + b"".join([*records, *map(mapper.record, items)]), {"configuration": [company]}).data

    made = make_report(data)

    needs = "2 to be corrected in Pleo, 1 to be configured, 1 to be checked, 1 to be recorded and reported"
    assert f"Job 8eb648ab, since 3 Mar 2026, 13:48 UTC, 38 min left: {needs}\n" in made.stdout
    card = made.page.split("<dt>Waiting</dt>")[1].split("</dd>")[0]
    assert card.count("<span>") == 4
    assert '<data value="2">2</data> to be corrected in Pleo' in card
    assert "since 3 Mar 2026, 13:48 UTC" in re.sub("</?time.*?>", "", card)


@pytest.mark.parametrize(
    ("in_item", "in_job_item", "state"),
    [("pending", "successful", "recorded"), ("successful", "pending", "ready to book")],
)
def test_the_status_of_the_job_item_wins(make_report: Make, in_item: str, in_job_item: str, state: str) -> None:
    data = messages([job(NEW, 20)], [listed(NEW, in_job_item)], [mapper.item() | {"jobId": NEW, "itemStatus": in_item}])

    made = make_report(data)

    assert re.search(rf"\b1  {state}", made.stdout), made.stdout


@pytest.mark.parametrize("status", ["failed", "completed", "completed_with_errors"])
def test_ended_jobs_are_left_out(make_report: Make, status: str) -> None:
    data = messages([job(NEW, 20, status=status)], [listed(NEW)], [mapper.failing() | {"jobId": NEW}])

    assert "0  blocked" in make_report(data).stdout
    assert "1  blocked" in make_report(data, "--all-jobs").stdout


def test_of_two_lines_without_a_time_the_last_counts(make_report: Make, tmp_path: Path) -> None:
    lines = [mapper.item(itemStatus=None), mapper.failing()]
    judged = mapper.run(mapper.schema() + b"".join(map(mapper.record, lines)), mapper.GOOD).records()
    (tmp_path / "export_items.jsonl").write_bytes(b"".join(map(mapper.line, judged)))

    made = make_report(None, str(tmp_path / "export_items.jsonl"))

    assert "1  blocked" in made.stdout
    assert "0  ready" in made.stdout


def test_an_update_is_not_an_item(make_report: Make) -> None:
    update = {"jobId": OLD, "accountingEntryId": ENTRY, "status": "failed", "failureReason": "No"}
    judged = mapper.run(mapper.schema() + mapper.record(mapper.failing() | {"jobId": OLD}), mapper.GOOD).records()

    made = make_report(b"".join(map(mapper.line, [*judged, update])))

    assert "1  blocked" in made.stdout
    assert "not checked" not in made.stdout


def test_a_finding_without_a_severity_blocks(make_report: Make) -> None:
    finding = {"check": "own", "status": "failed", "failureReason": "No project", "path": ""}
    verdict = {"validationStatus": "failed", "validationChecks": [finding]}

    made = make_report(mapper.line(mapper.item() | {"jobId": OLD} | verdict))

    assert "What to fix first:\n        1  No project" in made.stdout


def test_causes_and_warnings_do_not_share_numbers(make_report: Make) -> None:
    lines = []
    for number, (severity, status) in enumerate((("error", "failed"), ("warning", "passed")), 1):
        finding = {"check": f"own_{severity}", "status": "failed", "severity": severity, "failureReason": severity}
        verdict = {"validationStatus": status, "validationChecks": [finding | {"path": ""}]}
        lines.append(mapper.line(mapper.item(number) | {"jobId": OLD} | verdict))

    page = make_report(b"".join(lines)).page

    numbers = re.findall(r'<tr role="row" data-c="([^"]*)"', page)
    assert len(numbers) == 2
    assert not set(numbers[0].split()) & set(numbers[1].split()), numbers
    assert all(numbers)
