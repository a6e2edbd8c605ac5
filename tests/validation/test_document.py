"""Any export item that Pleo's OpenAPI document allows gets a verdict and is otherwise unchanged."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pleo_export.validation import MEMBERS
from tests.helpers import document
from tests.helpers.decoding import lines, streams
from tests.helpers.document import ITEM_FAILURES, to_the_digit
from tests.helpers.mapper import GOOD, Output, check_protocol, line, run
from tests.validation.oracle import reason_of

STREAMS = streams()
REFERENCES = {"gl_accounts": ["6100"], "tax_codes": ["6100"], "tags": ["6100"], "vendors": ["0007"]}
OWN_CHECK = {
    "id": "note_required",
    "schema": {"required": ["note"], "properties": {"note": {"type": "string", "minLength": 1}}},
    "failureReasonType": "validation_failure",
    "failureReason": "A note is required",
}
BY_CURRENCY = {
    "companyId": "*",
    "journal": "J1",
    "accounts": {"wallet": {"EUR": "1240", "KWD": "1241"}, "outOfPocket": {"*": "2890"}, "accountsPayable": "2440"},
}
CONFIGS: dict[str, dict[str, Any]] = {
    "nothing configured": {},
    "all that is needed": GOOD,
    "all checks": {
        "configuration": [BY_CURRENCY],
        "null_bookkeeping": "accounts_payable",
        "references": REFERENCES,
        "gl_account_not_required_for": ["fee"],
        "checks": [OWN_CHECK, OWN_CHECK | {"id": "note_wanted", "severity": "warning"}],
        "emit_updates": True,
    },
}


def schema(name: str) -> bytes:
    keys = list(STREAMS[name].primary_keys)
    return line({"type": "SCHEMA", "stream": name, "schema": STREAMS[name].schema, "key_properties": keys})


def bare(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message["record"].items() if name not in MEMBERS}


def check_verdict(record: dict[str, Any]) -> None:
    checks = record["validationChecks"]
    failures = [check for check in checks if check["status"] != "passed" and check["severity"] == "error"]
    assert checks
    assert {check["status"] for check in checks} <= {"passed", "failed"}, "nothing that Pleo allows breaks a check"
    assert {check["failureReasonType"] for check in checks} <= {*ITEM_FAILURES, None}
    assert record["validationStatus"] == ("failed" if failures else "passed")
    assert record["validationFailureReasonType"] == (failures[0]["failureReasonType"] if failures else None)
    assert record["validationFailureReason"] == (reason_of(failures) or None)
    assert record["bookkeepingMethod"] in {"journal", "accounts_payable"}
    for check in failures:
        steps = check["path"].split("/")[1:]
        place: Any = record
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else (place or {}).get(step)


@document.examples(60)
@given(st.lists(document.row("ExportItemV3"), min_size=1, max_size=2), st.sampled_from(list(CONFIGS)))
def test_any_item_that_openapi_allows_gets_a_verdict(items: list[dict[str, Any]], name: str) -> None:
    read = lines(STREAMS["export_items"], items)

    output = run(schema("export_items") + b"".join(read), CONFIGS[name])

    check_protocol(output)
    mapped = [text for text in output.lines if b'"stream":"export_items"' in text[:60] and b'"RECORD"' in text[:30]]
    assert [bare(to_the_digit(text)) for text in mapped] == [to_the_digit(text)["record"] for text in read]
    records = output.records()
    for record in records:
        check_verdict(record)
    failed = [record for record in records if record["validationStatus"] == "failed"]
    check_updates(output, failed if CONFIGS[name].get("emit_updates") else [])


def check_updates(output: Output, failed: list[dict[str, Any]]) -> None:
    updates = output.records("export_job_item_updates")
    assert [update["accountingEntryId"] for update in updates] == [record["accountingEntryId"] for record in failed]
    assert {update["failureReasonType"] for update in updates} <= ITEM_FAILURES


@settings(max_examples=25)
@given(st.lists(document.row("ExportJobV3"), max_size=2), st.lists(document.row("ExportJobItemV3"), max_size=2))
def test_jobs_and_job_items_pass_unchanged(jobs: list[dict[str, Any]], items: list[dict[str, Any]]) -> None:
    read = lines(STREAMS["export_jobs"], jobs) + lines(STREAMS["export_job_items"], items)
    data = schema("export_jobs") + schema("export_job_items") + b"".join(read)

    assert run(data, CONFIGS["all checks"]).data == data
