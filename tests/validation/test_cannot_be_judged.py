"""What cannot be judged is refused or said, and never told to Pleo as if it were a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_pleo_export.singer.schema_files import shipped
from tests.helpers.mapper import (
    GOOD,
    ITEM_SCHEMA,
    check_protocol,
    failing,
    item,
    line,
    record,
    run,
    run_until_error,
    schema,
    state,
)
from tests.validation.test_command_line import Run

if TYPE_CHECKING:
    from pathlib import Path

EVERY_CHECK: dict[str, Any] = GOOD | {
    "references": {"gl_accounts": ["6100"], "tax_codes": ["T1"], "tags": ["PRJ-7"], "vendors": ["V1"]}
}
LINE_CHECKS = "expense_gl_account, gl_account_exists, tax_code_exists, tag_exists"


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
        ("type", "required_configuration"),
        ("bookkeeping", "required_configuration"),
        ("companyId", "required_configuration"),
        ("amount", "required_configuration"),
        ("contraAccount", "required_configuration"),
        ("vendor", "required_configuration, vendor_exists"),
        ("accountingEntryLines", LINE_CHECKS),
    ],
)
def test_a_stream_without_what_a_check_reads_is_refused_before_its_first_record(member: str, checks: str) -> None:
    before = schema("export_jobs")
    output, error = run_until_error(before + without(member) + record(item()), EVERY_CHECK)
    assert error == (
        f"line 2 of the input is a SCHEMA of export_items without what these checks read: '{member}' for {checks}. "
        "Select it in the tap under this name, flatten in the loader only, or disable the checks"
    )
    assert output.data == before


def test_flattened_members_are_absent() -> None:
    flat = without("vendor", vendor__code={}, vendor__name={})
    assert "'vendor' for required_configuration" in run_until_error(flat)[1]


@pytest.mark.parametrize("open_schema", [{}, {"properties": {}}, {"properties": None}])
def test_a_schema_that_lists_nothing_is_refused(open_schema: dict[str, Any]) -> None:
    assert "without what these checks read" in run_until_error(schema(schema=open_schema))[1]


@pytest.mark.parametrize(
    ("config", "member", "refused"),
    [
        ({"null_bookkeeping": "accounts_payable"}, "supplier", True),
        ({}, "supplier", False),
        ({"disabled_checks": ["expense_gl_account"]}, "accountingEntryLines", False),
        ({"gl_account_not_required_for": ["fee"], "disabled_checks": ["required_configuration"]}, "type", True),
        ({"disabled_checks": ["required_configuration"]}, "type", False),
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
def test_only_what_enabled_checks_read_must_be_there(config: dict[str, Any], member: str, refused: bool) -> None:
    assert (f"'{member}' for " in run_until_error(without(member), GOOD | config)[1]) == refused


def test_the_tap_delivers_every_member_that_the_built_in_checks_read() -> None:
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


def test_a_broken_check_fails_the_item_makes_no_update_and_ends_in_an_error(tmp_path: Path) -> None:
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


def test_a_finding_beside_a_broken_check_is_told_to_pleo_alone() -> None:
    both = broken(1, accountingEntryLines=failing()["accountingEntryLines"])
    output = run(schema() + record(both), EVERY_CHECK | {"emit_updates": True})
    (update,) = output.records("export_job_item_updates")
    assert update["failureReasonType"] == "missing_configuration"
    assert update["failureReason"] == "Account (line 1) missing: provide account (line 1) in the configurations"
    assert "vendor_exists could not run" in output.records()[0]["validationFailureReason"]


def test_a_broken_warning_fails_no_item_but_is_counted(tmp_path: Path) -> None:
    config = own({"properties": {"note": {"pattern": "^a"}}})
    config["checks"][0]["severity"] = "warning"
    run_ = Run(schema() + record(item(note="\ud800")), config, tmp_path)
    assert run_.returncode == 1
    assert "(own 1)" in run_.log("ERROR")[0]
    assert run_.output.records()[0]["validationStatus"] == "passed"


def test_a_user_check_on_a_member_that_no_item_has_is_refused_with_the_settings(tmp_path: Path) -> None:
    run_ = Run(b"not even JSON", own({"properties": {"notes": {}}, "required": ["notes"]}), tmp_path)
    assert run_.returncode == 1
    first, _ = run_.log("ERROR")
    assert first == (
        "config /checks/0/schema/properties/notes: no export item has a member 'notes', did you mean 'note'?"
    )


def test_only_updates_lets_no_version_and_no_unknown_message_through() -> None:
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
    check_protocol(output)
    assert output.order == [
        ("SCHEMA", "export_job_item_updates"),
        ("RECORD", "export_job_item_updates"),
        ("STATE", None),
    ]
