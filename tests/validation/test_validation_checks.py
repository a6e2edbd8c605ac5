"""Cases without an oracle: broken items, user checks, formats."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pleo_export.validation import Validator, parse_settings
from tap_pleo_export.validation.booking import MAX_CACHED, Posting
from tap_pleo_export.validation.item import bookkeeping_method, key_of
from tap_pleo_export.validation.verdict import Finding, Verdict
from tap_pleo_export.validation.vocabulary import BUILTIN_CHECKS
from tests.helpers.mapper import GOOD, item, record, run, schema

CONFIG: dict[str, Any] = {
    "configuration": [{"companyId": "*", "journal": "J", "accounts": {"wallet": {"GBP": "1"}, "contra": "2"}}],
    "references": {"gl_accounts": ["6100"], "tax_codes": ["T1"], "tags": ["P"], "vendors": ["V"]},
}
BOOKED = Posting("booked")
ITEM: dict[str, Any] = {
    "companyId": "c",
    "type": "card_purchase",
    "amount": {"inWalletCurrency": {"currency": "GBP", "value": 100}},
    "bookkeeping": {"method": "journal"},
    "contraAccount": None,
    "vendor": {"code": "V", "externalId": None},
    "supplier": None,
    "accountingEntryLines": [
        {
            "account": {"code": "6100", "identifier": None},
            "lineAmount": {"inWalletCurrency": {"currency": "GBP", "value": 100}},
            "tax": {"code": "T1"},
            "tags": [{"code": "P"}],
        }
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
    return {"checks": [check | members], "disabled_checks": list(BUILTIN_CHECKS)}


def statuses(config: dict[str, Any], value: dict[str, Any]) -> dict[str, str]:
    validator = Validator(parse_settings(config))
    return {finding.check: finding.status for finding in validator.judge(value).checks}


ROW = ["type", "subType", "bookkeeping", "amount", "accountingEntryLines"]
RULE = [*ROW, "companyId", "contraAccount", "vendor"]
IF_NULL = {"null_bookkeeping": "accounts_payable"}


@pytest.mark.parametrize(
    ("check", "config", "members"),
    [
        ("required_configuration", {}, RULE),
        ("required_configuration", IF_NULL, [*RULE, "supplier"]),
        *((check, {}, ROW) for check in BUILTIN_CHECKS if check not in {"required_configuration", "vendor_exists"}),
        ("vendor_exists", {}, [*ROW, "vendor"]),
        ("vendor_exists", IF_NULL, [*ROW, "vendor", "supplier"]),
    ],
)
def test_checks_declare_the_members_they_read(check: str, config: dict[str, Any], members: list[str]) -> None:
    lacking = Validator(parse_settings(CONFIG | config)).lacking(())

    assert sorted(member for member, checks in lacking.items() if check in checks) == sorted(members)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(list(ITEM)), SHAPES), st.sampled_from(["journal", "accounts_payable"]))
def test_validator_survives_items_of_any_shape(odd: dict[str, Any], null_bookkeeping: str) -> None:
    config = CONFIG | {"null_bookkeeping": null_bookkeeping, "gl_account_not_required_for": ["fee"]}
    verdict = Validator(parse_settings(config)).judge(ITEM | odd)
    broken = [finding for finding in verdict.checks if finding.status == "error"]
    assert all(finding.failure_reason_type == "unexpected_failure" for finding in broken)
    assert not broken or verdict.status == "failed"
    assert {finding.check for finding in verdict.checks} == set(BUILTIN_CHECKS)
    msgspec.json.encode(verdict)


def test_broken_check_does_not_affect_other_checks() -> None:
    lines = [ITEM["accountingEntryLines"][0] | {"tags": "tags"}]
    found = statuses(CONFIG, ITEM | {"accountingEntryLines": lines})
    assert found == dict.fromkeys(BUILTIN_CHECKS, "passed") | {"tag_exists": "error"}


def test_broken_check_does_not_quote_the_item() -> None:
    verdict = Validator(parse_settings(CONFIG)).judge(ITEM | {"vendor": "GB33BUKB"})
    assert (
        verdict.failure_reason == "Check vendor_exists could not run: the item has an unexpected shape (AttributeError)"
    )
    assert verdict.failure_reason_type == "unexpected_failure"


def test_recursive_user_schema() -> None:
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


def test_warning_does_not_fail_the_item() -> None:
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
        ({"pattern": "^a"}, "\ud800", "error"),  # patterns cannot match a lone surrogate
    ],
)
def test_values_in_a_user_check(schema: dict[str, Any], value: Any, status: str) -> None:
    assert statuses(own({"properties": {"note": schema}}), ITEM | {"note": value}) == {"own": status}


def test_disabled_checks_leave_no_entry() -> None:
    config = {"disabled_checks": list(BUILTIN_CHECKS)}
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
def test_bookkeeping_method(members: dict[str, Any], method: object) -> None:
    assert bookkeeping_method({"type": "card_purchase"} | members, "accounts_payable") == method


@pytest.mark.parametrize(
    ("code", "key"), [(None, "2"), ("", "2"), (" \t", "2"), (" 1 ", "1"), (0, "0"), (Decimal("1.50"), "1.50")]
)
def test_key_is_the_first_non_blank_member(code: Any, key: str) -> None:
    assert key_of({"code": code, "identifier": "2"}, "code", "identifier") == key


def test_finding_without_a_reason() -> None:
    verdict = Verdict.of(
        (Finding("a", "error", "error"), Finding("b", "failed", "error", "t", "No.")), "journal", BOOKED
    )

    assert (verdict.status, verdict.failure_reason_type, verdict.failure_reason) == ("failed", None, "; No.")


def test_unknown_currency_is_reported() -> None:
    verdict = Validator(parse_settings({})).judge(ITEM | {"amount": None})

    assert verdict.checks[1].failure_reason == (
        "Account wallet (currency unknown) missing: provide account wallet (currency unknown) in the configurations "
        "(needed for: expense)"
    )


def test_update_has_only_failed_errors() -> None:
    broken = Finding("a", "error", "error", "unexpected_failure", "Broken.")
    warned = Finding("b", "failed", "warning", "warned", "Warned.")
    passed = Finding("c", "passed", "error")
    found = [Finding("d", "failed", "error", "first", "One."), Finding("e", "failed", "error", "second", "Two.")]

    assert Verdict.of((broken, warned, passed), "journal", BOOKED).for_pleo() is None
    assert Verdict.of((broken, warned, passed, *found), "journal", BOOKED).for_pleo() == ("first", "One.; Two.")


def test_item_that_cannot_be_booked_is_failed_without_checks() -> None:
    config = GOOD | {"disabled_checks": list(BUILTIN_CHECKS)}
    verdict = Validator(parse_settings(config)).judge(item(companyId=7))

    assert (verdict.status, verdict.posting.outcome, verdict.posting.vouchers) == ("passed", "failed", ())


def test_item_of_another_shape_is_failed() -> None:
    verdict = Validator(parse_settings(GOOD)).judge(item(companyId=7))

    assert (verdict.status, verdict.failure_reason_type) == ("failed", "unexpected_failure")
    assert (verdict.posting.outcome, verdict.posting.reason) == ("failed", verdict.failure_reason)


def test_postings_differ_beyond_the_cache_size() -> None:
    count = MAX_CACHED + 2
    lines = [record(item(number, contraAccount={"code": str(number)})) for number in range(count)]
    annotated = run(b"".join([schema(), *lines]), GOOD).records()

    accounts = [after["posting"]["vouchers"][0]["credit"]["account"] for after in annotated]
    assert accounts == [str(number) for number in range(count)]
