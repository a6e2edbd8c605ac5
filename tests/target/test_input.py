"""The target's input: invalid records, unusable lines, members sent, states passed on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox import Sandbox
from tests.conftest import Outputs
from tests.helpers.target import (
    EVENTS,
    FAILED,
    UPDATES,
    check_said,
    event,
    feed,
    line,
    passed_on,
    puts,
    record,
    said,
    schema,
    sizes,
    state,
    statuses,
    summary,
    update,
    writes,
)
from tests.target.conftest import Report, Start

SUCCESSFUL = {"status": "successful"}
REASONS = {"failureReasonType": "vendor_unknown", "failureReason": "No vendor"}
INVALID_UPDATES: list[tuple[dict[str, Any], str]] = [
    ({}, "'status' is missing"),
    ({"status": "done"}, "'status' is not one of failed, successful"),
    ({"status": "abandoned"}, "'status' is not one of"),
    ({"status": 1}, "'status' is not one of"),
    ({"status": "failed"}, "'failureReason' is missing (required with 'failed'); 'failureReasonType' is missing"),
    ({**FAILED, "failureReason": ""}, "'failureReason' is missing (required with 'failed')"),
    ({**FAILED, "failureReasonType": None}, "'failureReasonType' is missing"),
    ({**FAILED, "failureReasonType": "job_expired"}, "'failureReasonType' is not one of receipt_upload_failure, "),
    ({**FAILED, "failureReason": ["text"]}, "'failureReason' is not text"),
    ({**SUCCESSFUL, **REASONS}, "'failureReason' is allowed with 'failed' only; 'failureReasonType' is allowed"),
    ({**SUCCESSFUL, "externalId": 5}, "'externalId' is not text"),
    ({**SUCCESSFUL, "externalUrl": {}}, "'externalUrl' is not text"),
    ({**SUCCESSFUL, "exportedAt": "yesterday"}, "'exportedAt' is not a time like 2026-01-31T12:00:00Z"),
    ({**SUCCESSFUL, "exportedAt": 5}, "'exportedAt' is not text"),
    ({**SUCCESSFUL, "accountingEntryId": "1"}, "item unknown: 'accountingEntryId' is not a UUID"),
    ({**SUCCESSFUL, "accountingEntryId": None}, "item unknown: 'accountingEntryId' is missing"),
    ({**SUCCESSFUL, "jobId": "../x"}, "export job unknown, item "),
    ({**SUCCESSFUL, "jobId": "{8eb648ab-464b-42a0-ba17-eda703657e33}"}, "'jobId' is not a UUID"),
]
INVALID_EVENTS: list[tuple[dict[str, Any], str]] = [
    ({"event": "canceled"}, "event canceled: 'event' is not one of started, failed, completed, completed_with_errors"),
    ({"event": "failed"}, "'failureReasonType' is missing (required with 'failed')"),
    ({"event": "failed", **REASONS}, "'failureReasonType' is not one of invalid_configuration"),
    ({"event": "completed", "failureReason": "x"}, "'failureReason' is allowed with 'failed' only; not"),
    ({"event": "completed", "jobId": None}, "'jobId' is missing"),
    ({"event": None}, "'event' is missing"),
]


def test_invalid_records_are_refused_and_the_others_sent(pleo: Sandbox, report: Report) -> None:
    job = pleo.add_job(items=2, status="in_progress")
    item = next(iter(job.item_statuses))
    ids = {"jobId": job.id, "accountingEntryId": item}
    broken = [record(UPDATES, **(ids | members)) for members, _ in INVALID_UPDATES]
    broken += [record(EVENTS, **({"jobId": job.id} | members)) for members, _ in INVALID_EVENTS]

    run = report(update(job, 0), *broken, state(1), update(job, 1), state(2))

    phrases = [phrase for _, phrase in INVALID_UPDATES + INVALID_EVENTS]
    check_said(run, phrases)
    assert [text.split(":")[0] for text in said(run)] == [f"Line {number}" for number in range(4, 4 + len(phrases))]
    assert all("not sent. The state still advances" in text for text in said(run))
    assert all("--full-refresh" in text for text in said(run))
    assert f"export job {job.id}, item {item}: 'status' is missing" in said(run)[0]
    assert run.returncode == 1
    assert sizes(pleo) == [2]
    assert len(writes(pleo)) == 1
    assert passed_on(run)[-1] == 2
    assert summary(run) == f"2 accepted, 0 already reported, {len(phrases)} refused, 0 unsent; events: none"


def test_empty_and_unknown_members_are_not_sent(pleo: Sandbox, report: Report) -> None:
    job = pleo.add_job(items=6, status="in_progress")
    nothing: dict[str, Any] = dict.fromkeys(("failureReasonType", "failureReason", "externalUrl"))

    run = report(
        update(job, 0, **nothing, externalId="", exportedAt=None, _sdc_extracted_at="x", note="x"),
        update(job, 1, externalId="JE-1", externalUrl="not a URL", note="y", colour=2),
        update(job, 2, "failed", exportedAt="2026-01-31T12:00:00+02:00"),
        update(job, 3, exportedAt="2026-01-31 12:00:00"),
        update(job, 4, exportedAt="2026-01-31T12:00:00.123456789Z"),
        update(job, 5, exportedAt="2026-01-31"),
        event(job, "started", failureReason="", failureReasonType=None),
    )

    assert run.returncode == 0
    (sent,) = (request.json for request in puts(pleo))
    assert [{name: value for name, value in each.items() if name != "accountingEntryId"} for each in sent] == [
        {"status": "successful"},
        {"status": "successful", "externalId": "JE-1", "externalUrl": "not a URL"},
        {"status": "failed", **REASONS, "exportedAt": "2026-01-31T10:00:00Z"},
        {"status": "successful", "exportedAt": "2026-01-31T12:00:00Z"},
        {"status": "successful", "exportedAt": "2026-01-31T12:00:00.123456Z"},
        {"status": "successful", "exportedAt": "2026-01-31T00:00:00Z"},
    ]
    assert said(run) == [f"Ignored 2 unknown member(s) of '{UPDATES}': 'note', 'colour'"]


def test_many_unknown_members_are_one_warning(pleo: Sandbox, report: Report) -> None:
    job = pleo.add_job(items=2, status="in_progress")
    names = [f"member {number}" for number in range(3_000)]

    run = report(*(update(job, number, **dict.fromkeys(names, "x")) for number in range(2)))

    assert run.returncode == 0
    named = ", ".join(f"'{name}'" for name in names[:5])
    assert run.warnings == [f"Ignored 3000 unknown member(s) of '{UPDATES}': {named} and 2995 more"]


def test_updates_are_grouped_by_job(pleo: Sandbox, report: Report) -> None:
    one, two = (pleo.add_job(items=5, status="in_progress") for _ in range(2))
    mixed = [update(job, number) for number in range(5) for job in (one, two)]

    run = report(*mixed, state(1), batch_size=3)

    assert run.returncode == 0
    assert [(request.path.split("/")[3], len(request.json)) for request in puts(pleo)] == [
        (one.id, 3),
        (two.id, 3),
        (one.id, 2),
        (two.id, 2),
    ]
    assert [len(pleo.requests_to(f"/v3/export-jobs/{job.id}")) for job in (one, two)] == [4, 4]
    assert statuses(one) == statuses(two) == ["successful"] * 5


SECRET = "do-not-show-this"
UNUSABLE: list[tuple[str, bytes, str]] = [
    ("cut off", b'{"type": "RECORD", "stream": "' + SECRET.encode() + b"\n", "is not a JSON object"),
    ("other text", f"Traceback {SECRET}\n".encode(), "is not a JSON object"),
    ("a list", f'["{SECRET}"]\n'.encode(), "is not a JSON object"),
    ("no type", line(stream=SECRET), "has no message type"),
    ("another type", line(type="CATALOG", note=SECRET), "has an unknown message type"),
    (
        "a batch",
        line(type="BATCH", stream=UPDATES, manifest=[SECRET]),
        "is a BATCH, which this target does not support",
    ),
    (
        "a record that is not an object",
        line(type="RECORD", stream=UPDATES, record=[SECRET]),
        "has no record that is an object",
    ),
    ("a record without its stream", line(type="RECORD", record={"a": SECRET}), "names no stream"),
    (
        "another stream",
        line(type="RECORD", stream="export_items", record={"a": SECRET}),
        "has the stream 'export_items', expected export_job_item_updates or export_job_events: put the mapping",
    ),
    (
        "the schema of another stream",
        line(type="SCHEMA", stream="users", schema={"a": SECRET}),
        "has the stream 'users'",
    ),
    ("a stream in another case", schema(UPDATES.upper()), f"has the stream '{UPDATES.upper()}'"),
    ("a state without a value", line(type="STATE"), "is a STATE without a readable value"),
    ("a state that is not text", b'{"type":"STATE","value":{"a":"\xff' + SECRET.encode() + b'"}}\n', "is "),
    ("before its schema", record(EVENTS, jobId=SECRET), f"is a record of '{EVENTS}' before its SCHEMA"),
]


@pytest.mark.parametrize(("message", "phrase"), [row[1:] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
def test_unusable_line_ends_the_run_after_earlier_records_are_sent(
    pleo: Sandbox, start: Start, outputs: Outputs, message: bytes, phrase: str
) -> None:
    job, other = (pleo.add_job(items=1, status="in_progress") for _ in range(2))
    before = schema() + update(job, 0) + b"\n" + state({"n": 1}) + b"  \n"

    run = feed(start(), before + message + update(other, 0) + state({"n": 2}), outputs)

    assert run.returncode == 1
    check_said(run, [f"line 6 of the input {phrase}"])
    assert SECRET not in run.stderr
    assert ("put the mapping 'pleo-failures' before this target" in run.stderr) == ("the stream '" in phrase)
    assert (statuses(job), statuses(other)) == (["successful"], ["pending"])
    assert passed_on(run) == [{"n": 1}]


def test_malformed_line_prevents_events_and_the_states_after_them(pleo: Sandbox, report: Report) -> None:
    job = pleo.add_job(items=1, status="in_progress")

    run = report(update(job, 0), event(job, "completed"), state(1), b"{\n", complete_jobs=True)

    assert run.returncode == 1
    assert (statuses(job), job.status, passed_on(run)) == (["successful"], "in_progress", [])
    assert summary(run) == "1 accepted, 0 already reported, 0 refused, 1 unsent; events: none"


def test_malformed_line_is_reported_even_if_sending_fails(pleo: Sandbox, report: Report) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    pleo.scopes.remove("export-jobs:write")

    run = report(update(job, 0), state(1), b"{\n")

    check_said(run, ["line 5 of the input is not a JSON object", "the scope 'export-jobs:write'"])
    assert (run.returncode, passed_on(run)) == (1, [])


def test_blank_lines_and_versions_are_skipped(pleo: Sandbox, report: Report) -> None:
    job = pleo.add_job(items=1, status="in_progress")

    run = report(
        b"\n \t\r\n",
        line(type="ACTIVATE_VERSION", stream=UPDATES, version=1),
        schema(),
        update(job, 0).replace(b"\n", b"\r\n"),
        state({"é": "ü\u2028"}).rstrip(),
    )

    assert (run.returncode, said(run)) == (0, [])
    assert passed_on(run) == [{"é": "ü\u2028"}]


def test_input_without_records_sends_no_request(pleo: Sandbox, start: Start, outputs: Outputs) -> None:
    run = feed(start(complete_jobs=True), state({"bookmarks": {}}), outputs)

    assert (run.returncode, said(run), passed_on(run)) == (0, [], [{"bookmarks": {}}])
    assert pleo.requests == []


def test_states_wait_for_their_records_and_keep_their_bytes(pleo: Sandbox, report: Report) -> None:
    job = pleo.add_job(items=6, status="in_progress", item_status=["successful", *["pending"] * 5])
    exact = b'{"type":"STATE","value":{"n": 1.10, "big":12345678901234567890123}}\n'

    run = report(
        exact,  # no record before it
        update(job, 0),  # already reported
        state("a"),
        update(job, 1),
        state("b"),  # waits for the batch
        update(job, 2),  # fills it
        state("c"),
        update(job, 3, "nonsense"),  # refused unsent: delays nothing
        state("d"),
        update(job, 4),
        state("e"),
        state("f"),
        batch_size=2,
    )

    assert run.returncode == 1
    first, *rest = run.stdout.splitlines()
    assert first == b'{"n": 1.10, "big":12345678901234567890123}'
    values = [json.loads(text) for text in rest]
    assert values == sorted(values)
    assert values[-1] == "f"
    assert "d" in values


def test_last_of_many_states_is_passed_on(pleo: Sandbox, report: Report) -> None:
    jobs = [pleo.add_job(items=1, status="in_progress") for _ in range(30)]

    run = report(*(part for number, job in enumerate(jobs) for part in (update(job, 0), state(number))))

    values = passed_on(run)
    assert run.returncode == 0
    assert values == sorted(set(values))
    assert values[-1] == 29
