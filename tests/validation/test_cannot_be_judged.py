"""Items that cannot be checked are refused or reported as errors, never sent to Pleo as findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.validation.vocabulary import BUILTIN_CHECKS
from tests.helpers import mapper
from tests.helpers.mapper import GOOD, ITEM_SCHEMA, failing, item, line, record, run, run_until_error, schema, state
from tests.validation.test_command_line import Run

EVERY_CHECK: dict[str, Any] = GOOD | {
    "references": {"gl_accounts": ["6100"], "tax_codes": ["T1"], "tags": ["PRJ-7"], "vendors": ["V1"]}
}
ALL = ", ".join(BUILTIN_CHECKS)


def without(member: str, **instead: Any) -> bytes:
    """Return the SCHEMA of a tap that does not deliver a member, or under other names."""
    kept = {name: value for name, value in ITEM_SCHEMA["properties"].items() if name != member}
    return schema(schema=ITEM_SCHEMA | {"properties": kept | instead})


def own(schema_: Any) -> dict[str, Any]:
    check = {"id": "own", "schema": schema_, "failureReasonType": "validation_failure", "failureReason": "No."}
    return GOOD | {"checks": [check]}


@pytest.mark.parametrize(
    ("member", "checks"),
    [
        *((name, "required_configuration") for name in ("companyId", "contraAccount")),
        ("vendor", "required_configuration, vendor_exists"),
        *((name, ALL) for name in ("type", "subType", "bookkeeping", "amount", "accountingEntryLines")),
    ],
)
def test_schema_without_members_that_checks_read_is_refused(member: str, checks: str) -> None:
    before = schema("export_jobs")
    output, error = run_until_error(before + without(member) + record(item()), EVERY_CHECK)
    assert error == (
        f"line 2 of the input is a SCHEMA of export_items without members that checks read: '{member}' for {checks}. "
        "Select them in the tap under these names, flatten only in the loader, or disable the checks"
    )
    assert output.data == before


FLAT = json.loads(without("vendor", vendor__code={}, vendor__name={}))["schema"]


@pytest.mark.parametrize("lacking", [{}, {"properties": {}}, {"properties": None}, FLAT])
def test_schema_without_properties_or_with_flattened_ones_is_refused(lacking: dict[str, Any]) -> None:
    assert "without members that checks read" in run_until_error(schema(schema=lacking))[1]


@pytest.mark.parametrize(
    ("config", "member", "refused"),
    [
        ({"null_bookkeeping": "accounts_payable"}, "supplier", True),
        ({}, "supplier", False),
        ({"disabled_checks": ["required_configuration"]}, "type", True),
        ({"disabled_checks": ["required_configuration"]}, "companyId", False),
        ({"disabled_checks": list(BUILTIN_CHECKS)}, "type", False),
        ({}, "note", False),
        (own({"required": ["note"]}), "note", True),
        (own({"not": {"properties": {"note": {}}}}), "note", True),
        (own({"dependentRequired": {"note": ["date"]}}), "note", True),
        (own({"dependentRequired": {"date": ["note"]}}), "note", True),
        (own({"$ref": "#/$defs/noted", "$defs": {"noted": {"required": ["note"]}}}), "note", True),
        (own({"properties": {"vendor": {"properties": {"note": {}}}}}), "note", False),
        (own({"required": ["note"]}) | {"disabled_checks": ["own"]}, "note", False),
    ],
)
def test_only_members_read_by_enabled_checks_are_required(config: dict[str, Any], member: str, refused: bool) -> None:
    assert (f"'{member}' for " in run_until_error(without(member), GOOD | config)[1]) == refused


def test_tap_schema_has_all_members_that_checks_read() -> None:
    data = schema(schema=shipped("export_items.json"))
    config = EVERY_CHECK | {"null_bookkeeping": "accounts_payable", "gl_account_not_required_for": ["fee"]}
    assert run_until_error(data, config)[1] == ""


def test_refusal_is_one_error_line_and_exit_code_1(tmp_path: Path) -> None:
    refused = Run(without("vendor") + record(item()), GOOD, tmp_path)
    assert refused.returncode == 1
    (error,) = refused.log("ERROR")
    assert "'vendor' for required_configuration" in error
    assert refused.output.data == b""


def broken(number: int, **changes: Any) -> dict[str, Any]:
    """Return an item that a check breaks on."""
    return item(number, **{"vendor": "of another shape"} | changes)


def test_broken_check_fails_the_item_without_an_update(tmp_path: Path) -> None:
    data = schema() + record(broken(1)) + record(item(2)) + state(1)
    run_ = Run(data, EVERY_CHECK | {"emit_updates": True, "disabled_checks": ["vendor_exists"]}, tmp_path)
    assert run_.returncode == 0, "no enabled check reads the vendor of this item"

    run_ = Run(data, EVERY_CHECK | {"emit_updates": True}, tmp_path)
    assert run_.returncode == 1
    assert run_.log("ERROR") == [
        "1 checks could not run (vendor_exists 1): the items are marked as failed, but no update is made for them"
    ]
    first, second = run_.output.records()
    assert (first["validationStatus"], first["validationFailureReasonType"]) == ("failed", "unexpected_failure")
    assert second["validationStatus"] == "passed"
    assert run_.output.records("export_job_item_updates") == []
    assert run_.output.order[-1] == ("STATE", None)


def test_update_omits_broken_checks() -> None:
    both = broken(1, accountingEntryLines=failing()["accountingEntryLines"])
    output = run(schema() + record(both), EVERY_CHECK | {"emit_updates": True})
    (update,) = output.records("export_job_item_updates")
    assert update["failureReasonType"] == "missing_configuration"
    assert update["failureReason"] == "Line 1 has no category: choose one in Pleo"
    assert "vendor_exists could not run" in output.records()[0]["validationFailureReason"]


def test_broken_warning_is_counted_but_fails_no_item(tmp_path: Path) -> None:
    config = own({"properties": {"note": {"pattern": "^a"}}})
    config["checks"][0]["severity"] = "warning"
    run_ = Run(schema() + record(item(note="\ud800")), config, tmp_path)
    assert run_.returncode == 1
    assert "(own 1)" in run_.log("ERROR")[0]
    assert run_.output.records()[0]["validationStatus"] == "passed"


def test_user_check_on_unknown_member_is_refused(tmp_path: Path) -> None:
    run_ = Run(b"not even JSON", own({"properties": {"notes": {}}, "required": ["notes"]}), tmp_path)
    assert run_.returncode == 1
    first, _ = run_.log("ERROR")
    assert first == (
        "config /checks/0/schema/properties/notes: export items have no member 'notes', did you mean 'note'?"
    )


def test_emit_updates_only_drops_versions_and_unknown_messages() -> None:
    data = (
        schema()
        + line({"type": "ACTIVATE_VERSION", "stream": "export_items", "version": 1})
        + line({"type": "ACTIVATE_VERSION", "stream": "export_job_item_updates", "version": 1})
        + line({"type": "ACTIVATE_VERSION", "version": 1})
        + line({"type": "METRIC_OF_TOMORROW"})
        + record({"jobId": "1", "accountingEntryId": "2", "status": "failed"}, "export_job_item_updates")
        + state(1)
    )
    output = run(data, GOOD | {"emit_updates": "only"})
    mapper.check_protocol(output)
    assert output.order == [
        ("SCHEMA", "export_job_item_updates"),
        ("RECORD", "export_job_item_updates"),
        ("STATE", None),
    ]


BEYOND = "1e99999999999999999999"


@pytest.mark.parametrize(
    "path", ["/novelty", "/note", "/amount/inWalletCurrency/value", "/accountingEntryLines/0/tax/rate"]
)
def test_number_that_no_decimal_can_be_passes_digit_by_digit(path: str) -> None:
    odd = item(1, novelty=None)
    *parents, name = path.strip("/").split("/")
    place: Any = odd
    for parent in parents:
        place = place[int(parent) if parent.isdigit() else parent]
    place[name] = "BEYOND"
    data = schema() + record(odd).replace(b'"BEYOND"', BEYOND.encode()) + record(item(2))

    output = run(data, EVERY_CHECK)

    first, second = (text for text in output.lines if b'"RECORD"' in text)
    assert f'"{name}":{BEYOND}'.encode() in first
    assert b'"validationStatus":"passed"' in second
