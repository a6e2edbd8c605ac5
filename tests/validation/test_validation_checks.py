"""What the oracle does not cover: broken items, deselected fields, user checks, formats."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pleo_export.validation import Validator, parse_settings
from tap_pleo_export.validation.checks import builtin_checks
from tap_pleo_export.validation.item import bookkeeping_method, key_of
from tap_pleo_export.validation.json_schema import first_lacking
from tap_pleo_export.validation.references import shipped
from tap_pleo_export.validation.verdict import Finding, Verdict
from tap_pleo_export.validation.vocabulary import BUILTIN_CHECKS

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


def statuses(config: dict[str, Any], item: dict[str, Any], schema: dict[str, Any] | None = None) -> dict[str, str]:
    validator = Validator(parse_settings(config))
    if schema is not None:
        validator.use_schema(schema)
    return {finding.check: finding.status for finding in validator.judge(item).checks}


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
        verdict.failure_reason
        == "Check vendor_exists could not be made: the item has an unexpected shape (AttributeError)"
    )
    assert verdict.failure_reason_type == "unexpected_failure"


def without(schema: dict[str, Any], field: str) -> dict[str, Any]:
    """Return a schema without a property, as the SDK leaves it when a user deselects a field."""
    name, _, rest = field.partition(".")
    members = dict(schema["properties"])
    if not rest:
        del members[name]
        return schema | {"properties": members}
    inner = members[name]
    members[name] = (
        {"type": "array", "items": without(inner["items"], rest)} if "items" in inner else without(inner, rest)
    )
    return schema | {"properties": members}


def drop(value: Any, field: str) -> Any:
    """Return a record without a field, as the SDK leaves it when a user deselects it."""
    name, _, rest = field.partition(".")
    if isinstance(value, list):
        return [drop(element, field) for element in value]
    if not isinstance(value, dict):
        return value
    return {key: drop(member, rest) if key == name else member for key, member in value.items() if key != name or rest}


def schema_of(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {
            "type": ["object", "null"],
            "properties": {name: schema_of(member) for name, member in value.items()},
        }
    return {"type": ["array", "null"], "items": schema_of(value[0])} if isinstance(value, list) else {}


FULL = ITEM | {"contraAccount": {"code": "1", "identifier": None}}
LINE_CHECKS = {"expense_gl_account", "gl_account_exists"}


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("type", {"required_configuration"}),
        ("companyId", {"required_configuration"}),
        ("bookkeeping", {"required_configuration"}),
        ("bookkeeping.method", {"required_configuration"}),
        ("contraAccount", {"required_configuration"}),
        ("contraAccount.code", {"required_configuration"}),
        ("amount", {"required_configuration"}),
        ("amount.inWalletCurrency.currency", {"required_configuration"}),
        ("accountingEntryLines", {*LINE_CHECKS, "tax_code_exists", "tag_exists"}),
        ("accountingEntryLines.account", LINE_CHECKS),
        ("accountingEntryLines.account.code", LINE_CHECKS),
        ("accountingEntryLines.tax", {"tax_code_exists"}),
        ("accountingEntryLines.tags.code", {"tag_exists"}),
        ("vendor", {"vendor_exists"}),
        ("vendor.externalId", {"vendor_exists"}),
        ("supplier", set()),
        ("note", set()),
    ],
)
def test_a_check_whose_field_is_deselected_says_so(field: str, broken: set[str]) -> None:
    found = statuses(CONFIG, drop(FULL, field), without(schema_of(FULL), field))
    assert {check for check, status in found.items() if status == "error"} == broken
    assert {status for check, status in found.items() if check not in broken} <= {"passed"}


def test_the_text_names_the_deselected_field() -> None:
    validator = Validator(parse_settings({}))
    validator.use_schema(without(schema_of(ITEM), "accountingEntryLines.account"))
    finding = validator.judge(drop(ITEM, "accountingEntryLines.account")).checks[-1]
    assert (finding.status, finding.failure_reason_type) == ("error", "unexpected_failure")
    assert finding.path == "/accountingEntryLines/account"
    assert finding.failure_reason == (
        "Check expense_gl_account could not be made: "
        "the stream lacks accountingEntryLines.account, select it in the tap"
    )


def test_deselected_fields_that_an_item_does_not_call_for_do_not_matter() -> None:
    item = ITEM | {"type": "mileage"}
    config = {"configuration": [{"companyId": "*", "journal": "J", "accounts": {"outOfPocket": "1"}}]}
    schema = without(without(schema_of(FULL), "contraAccount"), "vendor")
    assert statuses(config, drop(drop(item, "contraAccount"), "vendor"), schema)["required_configuration"] == "passed"


def test_a_record_that_carries_the_field_is_judged_whatever_the_schema_says() -> None:
    closed = {"type": "object", "properties": {"id": {}}}
    assert set(statuses(CONFIG, ITEM, closed).values()) == {"passed"}


def test_a_stream_with_an_open_schema_lacks_nothing() -> None:
    assert statuses(CONFIG, drop(ITEM, "contraAccount"), {"type": "object"})["required_configuration"] == "passed"


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"note": {"minLength": 3}}},
        {"required": ["note"]},
        {"not": {"required": ["note"]}},
        {"allOf": [{"if": {"required": ["note"]}, "then": True}]},
        {"$ref": "#/$defs/noted", "$defs": {"noted": {"properties": {"note": {}}}}},
        {"properties": {"accountingEntryLines": {"items": {"properties": {"note": {}}}}}},
    ],
)
def test_a_user_check_says_when_its_field_is_deselected(schema: dict[str, Any]) -> None:
    assert statuses(own(schema), drop(ITEM, "note"), without(schema_of(ITEM), "note")) == {"own": "error"}


def test_a_recursive_user_schema_is_understood() -> None:
    schema = {"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"vendor": {"$ref": "#/$defs/node"}}}}}
    assert statuses(own(schema), ITEM, schema_of(ITEM)) == {"own": "passed"}


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"required": ["absent"]}, ""),
        ({"properties": {"note": {"type": "string"}}}, "/note"),
        (
            {"properties": {"accountingEntryLines": {"items": {"properties": {"tax": False}}}}},
            "/accountingEntryLines/0/tax",
        ),
        ({"properties": {"a/b~c": False}}, "/a~1b~0c"),
        (False, ""),
    ],
)
def test_path_of_a_user_finding(schema: Any, path: str) -> None:
    (finding,) = Validator(parse_settings(own(schema))).judge(ITEM | {"a/b~c": 1}).checks
    assert (finding.status, finding.path, finding.failure_reason) == ("failed", path, "No.")


def test_a_warning_fails_nothing() -> None:
    verdict = Validator(parse_settings(own({"required": ["absent"]}, severity="warning"))).judge(ITEM)
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


def test_the_tap_delivers_every_field_that_the_built_in_checks_read() -> None:
    stream = shipped("export_items.json")
    everything = CONFIG | {"null_bookkeeping": "accounts_payable", "gl_account_not_required_for": ["fee"]}
    checks = list(builtin_checks(parse_settings(everything)))
    assert [check.id for check in checks] == list(BUILTIN_CHECKS)
    lacking = {field for check in checks for field in check.fields if first_lacking(stream, field)}
    assert lacking == set()


@pytest.mark.parametrize(
    ("null_bookkeeping", "bookkeeping", "field", "expected"),
    [
        ("accounts_payable", None, "vendor", "error"),
        ("accounts_payable", None, "supplier", "error"),
        ("journal", {"method": "accounts_payable"}, "vendor", "error"),
        ("journal", {"method": "accounts_payable"}, "supplier", "passed"),
        ("accounts_payable", {"method": "journal"}, "vendor", "passed"),
    ],
)
def test_what_stands_for_the_vendor_must_be_selected_where_a_vendor_is_called_for(
    null_bookkeeping: str, bookkeeping: dict[str, str] | None, field: str, expected: str
) -> None:
    accounts = {"wallet": "1", "contra": "2", "accountsPayable": "3"}
    config = {
        "configuration": [{"companyId": "*", "journal": "J", "accounts": accounts}],
        "null_bookkeeping": null_bookkeeping,
    }
    item = FULL | {"bookkeeping": bookkeeping, "supplier": {"code": "S"}}

    found = statuses(config, drop(item, field), without(schema_of(item), field))

    assert found["required_configuration"] == expected


@pytest.mark.parametrize("field", ["vendor", "vendor.code", "vendor.externalId", "bookkeeping", "supplier"])
def test_where_a_supplier_may_stand_in_it_must_be_selected_too(field: str) -> None:
    config = CONFIG | {"null_bookkeeping": "accounts_payable"}

    found = statuses(config, drop(FULL, field), without(schema_of(FULL | {"supplier": {"code": "S"}}), field))

    assert found["vendor_exists"] == "error"


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


@pytest.mark.parametrize(("exempt", "status"), [(["fee"], "error"), ([], "passed")])
def test_the_type_must_be_selected_where_some_types_need_no_gl_account(exempt: list[str], status: str) -> None:
    config = CONFIG | {"gl_account_not_required_for": exempt}

    assert statuses(config, drop(FULL, "type"), without(schema_of(FULL), "type"))["expense_gl_account"] == status
