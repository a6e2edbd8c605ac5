"""What the oracle does not cover: broken items, user checks, formats."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pleo_export.validation import Validator, parse_settings
from tap_pleo_export.validation.item import bookkeeping_method, key_of
from tap_pleo_export.validation.verdict import Finding, Verdict

CONFIG: dict[str, Any] = {
    "configuration": [{"companyId": "*", "journal": "J", "accounts": {"wallet": {"GBP": "1"}, "contra": "2"}}],
    "references": {"gl_accounts": ["6100"], "tax_codes": ["T1"], "tags": ["P"], "vendors": ["V"]},
}
ITEM: dict[str, Any] = {
    "companyId": "c",
    "type": "card_purchase",
    "amount": {"inWalletCurrency": {"currency": "GBP", "value": 100}},
    "bookkeeping": {"method": "journal"},
    "contraAccount": None,
    "vendor": {"code": "V", "externalId": None},
    "supplier": None,
    "accountingEntryLines": [
        {"account": {"code": "6100", "identifier": None}, "tax": {"code": "T1"}, "tags": [{"code": "P"}]},
    ],
    "note": None,
}
SHAPES = st.recursive(
    st.sampled_from([None, True, 7, Decimal("0.5"), "x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*ITEM, "code", "method", "account"]), inner, max_size=3)
    ),
    max_leaves=4,
)


def own(schema: dict[str, Any], **members: Any) -> dict[str, Any]:
    check = {"id": "own", "schema": schema, "failureReasonType": "validation_failure", "failureReason": "No."}
    return {"checks": [check | members], "disabled_checks": ["required_configuration", "expense_gl_account"]}


def statuses(config: dict[str, Any], item: dict[str, Any]) -> dict[str, str]:
    validator = Validator(parse_settings(config))
    return {finding.check: finding.status for finding in validator.judge(item).checks}


RULE = ["type", "bookkeeping", "companyId", "amount", "contraAccount", "vendor"]
IF_NULL = {"null_bookkeeping": "accounts_payable"}


@pytest.mark.parametrize(
    ("check", "config", "members"),
    [
        ("required_configuration", {}, RULE),
        ("required_configuration", IF_NULL, [*RULE, "supplier"]),
        ("expense_gl_account", {}, ["accountingEntryLines"]),
        ("expense_gl_account", {"gl_account_not_required_for": ["fee"]}, ["accountingEntryLines", "type"]),
        ("gl_account_exists", {}, ["accountingEntryLines"]),
        ("tax_code_exists", {}, ["accountingEntryLines"]),
        ("tag_exists", {}, ["accountingEntryLines"]),
        ("vendor_exists", {}, ["vendor"]),
        ("vendor_exists", IF_NULL, ["vendor", "bookkeeping", "supplier"]),
    ],
)
def test_a_check_names_every_member_that_it_reads(check: str, config: dict[str, Any], members: list[str]) -> None:
    lacking = Validator(parse_settings(CONFIG | config)).lacking(())

    assert sorted(member for member, checks in lacking.items() if check in checks) == sorted(members)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(list(ITEM)), SHAPES), st.sampled_from(["journal", "accounts_payable"]))
def test_no_shape_of_an_item_stops_the_validator(odd: dict[str, Any], null_bookkeeping: str) -> None:
    config = CONFIG | {"null_bookkeeping": null_bookkeeping, "gl_account_not_required_for": ["fee"]}
    verdict = Validator(parse_settings(config)).judge(ITEM | odd)
    broken = [finding for finding in verdict.checks if finding.status == "error"]
    assert all(finding.failure_reason_type == "unexpected_failure" for finding in broken)
    assert not broken or verdict.status == "failed"
    assert len({finding.check for finding in verdict.checks}) == 6
    msgspec.json.encode(verdict)


def test_a_check_that_breaks_fails_the_item_and_no_other_check() -> None:
    found = statuses(CONFIG, ITEM | {"accountingEntryLines": ["line"]})
    assert found == {
        "required_configuration": "passed",
        "expense_gl_account": "error",
        "gl_account_exists": "error",
        "tax_code_exists": "error",
        "tag_exists": "error",
        "vendor_exists": "passed",
    }


def test_the_text_of_a_broken_check_shows_nothing_of_the_item() -> None:
    verdict = Validator(parse_settings(CONFIG)).judge(ITEM | {"vendor": "GB33BUKB"})
    assert (
        verdict.failure_reason == "Check vendor_exists could not run: the item has an unexpected shape (AttributeError)"
    )
    assert verdict.failure_reason_type == "unexpected_failure"


def test_a_recursive_user_schema_is_understood() -> None:
    schema = {"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"vendor": {"$ref": "#/$defs/node"}}}}}
    assert statuses(own(schema), ITEM) == {"own": "passed"}


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"required": ["files"]}, ""),
        ({"properties": {"note": {"type": "string"}}}, "/note"),
        (
            {"properties": {"accountingEntryLines": {"items": {"properties": {"tax": False}}}}},
            "/accountingEntryLines/0/tax",
        ),
        ({"properties": {"vendor": {"properties": {"a/b~c": False}}}}, "/vendor/a~1b~0c"),
        (False, ""),
    ],
)
def test_path_of_a_user_finding(schema: Any, path: str) -> None:
    (finding,) = Validator(parse_settings(own(schema))).judge(ITEM | {"vendor": {"a/b~c": 1}}).checks
    assert (finding.status, finding.path, finding.failure_reason) == ("failed", path, "No.")


def test_a_warning_fails_nothing() -> None:
    verdict = Validator(parse_settings(own({"required": ["files"]}, severity="warning"))).judge(ITEM)
    assert (verdict.status, verdict.failure_reason_type, verdict.failure_reason) == ("passed", None, None)
    assert [(finding.status, finding.severity) for finding in verdict.checks] == [("failed", "warning")]


@pytest.mark.parametrize(
    ("schema", "value", "status"),
    [
        ({"format": "date"}, "2025-02-30", "failed"),
        ({"format": "date"}, "2025-02-28", "passed"),
        ({"maximum": 100000}, Decimal("100000.01"), "failed"),
        ({"maximum": 100000}, Decimal("1e400"), "failed"),
        ({"type": "integer"}, 12345678901234567, "passed"),
        ({"multipleOf": 1}, Decimal("0.5"), "failed"),
        ({"pattern": "^a"}, "\ud800", "error"),  # a lone surrogate is no text that a pattern could judge
    ],
)
def test_values_in_a_user_check(schema: dict[str, Any], value: Any, status: str) -> None:
    assert statuses(own({"properties": {"note": schema}}), ITEM | {"note": value}) == {"own": status}


def test_disabled_checks_leave_no_entry() -> None:
    config = {"disabled_checks": ["required_configuration", "expense_gl_account"]}
    verdict = Validator(parse_settings(config)).judge({})
    assert (verdict.status, verdict.checks) == ("passed", ())


@pytest.mark.parametrize(
    ("members", "method"),
    [
        ({"type": "wallet_topup", "bookkeeping": {"method": "accounts_payable"}}, ("journal", True)),
        ({"bookkeeping": None}, ("accounts_payable", True)),
        ({}, ("accounts_payable", True)),
        ({"bookkeeping": {"method": "journal"}}, ("journal", True)),
        ({"bookkeeping": {"method": "none"}}, ("journal", True)),
        ({"bookkeeping": {"method": "accounts_payable"}}, ("accounts_payable", True)),
        ({"bookkeeping": "accounts_payable"}, ("accounts_payable", True)),
        ({"bookkeeping": {"method": "method of tomorrow"}}, ("journal", False)),
        ({"bookkeeping": {}}, ("journal", False)),
        ({"bookkeeping": 7}, ("journal", False)),
    ],
)
def test_how_an_item_is_recorded_and_whether_pleo_documents_it(members: dict[str, Any], method: object) -> None:
    assert bookkeeping_method({"type": "card_purchase"} | members, "accounts_payable") == method


@pytest.mark.parametrize(
    ("code", "key"), [(None, "2"), ("", "2"), (" \t", "2"), (" 1 ", "1"), (0, "0"), (Decimal("1.50"), "1.50")]
)
def test_a_key_is_the_first_member_that_says_something_as_text(code: Any, key: str) -> None:
    assert key_of({"code": code, "identifier": "2"}, "code", "identifier") == key


def test_a_finding_without_a_reason_adds_none() -> None:
    verdict = Verdict.of((Finding("a", "error", "error"), Finding("b", "failed", "error", "t", "No.")), "journal")

    assert (verdict.status, verdict.failure_reason_type, verdict.failure_reason) == ("failed", None, "; No.")


def test_an_unknown_currency_is_said_to_be() -> None:
    verdict = Validator(parse_settings({})).judge(ITEM | {"amount": None})

    assert verdict.checks[1].failure_reason == (
        "Account wallet (currency unknown) missing: provide account wallet (currency unknown) in the configurations"
    )


def test_pleo_is_told_what_was_found_in_the_item_and_nothing_of_a_check_that_broke() -> None:
    broken = Finding("a", "error", "error", "unexpected_failure", "Broken.")
    warned = Finding("b", "failed", "warning", "warned", "Warned.")
    passed = Finding("c", "passed", "error")
    found = [Finding("d", "failed", "error", "first", "One."), Finding("e", "failed", "error", "second", "Two.")]

    assert Verdict.of((broken, warned, passed), "journal").for_pleo() is None
    assert Verdict.of((broken, warned, passed, *found), "journal").for_pleo() == ("first", "One.; Two.")
