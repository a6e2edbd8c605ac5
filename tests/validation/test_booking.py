"""The booking table: which vouchers each type becomes, and the reason where it cannot be booked."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tap_pleo_export.validation import Validator, parse_settings
from tap_pleo_export.validation.vocabulary import BUILTIN_CHECKS
from tests.conftest import CHECKOUT
from tests.helpers.booking import COMPANY, CONFIGURATION, booked, item, judge, line
from tests.helpers.guides import printed

J, AP = "journal", "accounts_payable"
BILL = ("bill", "line", "accountsPayable")
PAYMENT = ("payment", "accountsPayable", "wallet")

# method, type, subType, the vouchers (document, debit, credit), way
TABLE: list[tuple[str, str, str | None, list[tuple[str, str, str]], str]] = [
    (AP, "invoice", None, [BILL], "out"),
    (AP, "card_purchase", None, [BILL, PAYMENT], "out"),
    (AP, "card_invoice", None, [BILL, PAYMENT], "out"),
    (AP, "fee", None, [BILL, PAYMENT], "out"),
    (AP, "fee", "interest", [BILL, PAYMENT], "out"),
    *(
        (AP, type_, None, [BILL, ("payment", "accountsPayable", "outOfPocket")], "out")
        for type_ in ("out_of_pocket", "mileage", "per_diem")
    ),
    *(
        (
            AP,
            type_,
            None,
            [("credit_note", "accountsPayable", "line"), ("payment_returned", "wallet", "accountsPayable")],
            "in",
        )
        for type_ in ("refund", "chargeback", "cashback")
    ),
    (J, "invoice", None, [BILL], "out"),
    *((method, "invoice_payment", None, [PAYMENT], "out") for method in (J, AP)),
    (J, "invoice_payment", "invoice_payment_sent", [PAYMENT], "out"),
    (
        J,
        "invoice_payment",
        "invoice_payment_returned",
        [("payment_returned", "wallet", "accountsPayable")],
        "in",
    ),
    (J, "card_purchase", None, [("expense", "line", "wallet")], "out"),
    (J, "card_invoice", None, [("expense", "line", "wallet")], "out"),
    (J, "fee", None, [("expense", "line", "wallet")], "out"),
    (J, "fee", "interest", [("expense", "line", "wallet")], "out"),
    (J, "refund", None, [("refund", "wallet", "line")], "in"),
    (J, "chargeback", None, [("refund", "wallet", "line")], "in"),
    (J, "cashback", None, [("refund", "wallet", "line")], "in"),
    (J, "atm_withdrawal", None, [("advance", "outOfPocket", "wallet")], "out"),
    (J, "personal_spend", None, [("advance", "outOfPocket", "wallet")], "out"),
    *(
        (J, type_, None, [("expense", "line", "outOfPocket")], "out")
        for type_ in ("out_of_pocket", "mileage", "per_diem")
    ),
    (J, "direct_reimbursement", None, [("reimbursement", "outOfPocket", "wallet")], "out"),
    (J, "direct_reimbursement", "reimbursement_to_employee", [("reimbursement", "outOfPocket", "wallet")], "out"),
    *(
        (J, "direct_reimbursement", sub_type, [("reimbursement_returned", "wallet", "outOfPocket")], "in")
        for sub_type in ("reimbursement_to_employee_refund", "reimbursement_to_company")
    ),
    *(
        (J, "external_reimbursement", sub_type, [("reimbursement", "outOfPocket", "externalReimbursement")], "out")
        for sub_type in (None, "reimbursement_to_employee")
    ),
    *(
        (
            J,
            "external_reimbursement",
            sub_type,
            [("reimbursement_returned", "externalReimbursement", "outOfPocket")],
            "in",
        )
        for sub_type in ("reimbursement_to_employee_refund", "reimbursement_to_company")
    ),
    (J, "wallet_topup", None, [("transfer", "wallet", "contra")], "in"),
    (J, "wallet_unload", None, [("transfer", "contra", "wallet")], "out"),
]


@pytest.mark.parametrize(("method", "type_", "sub_type", "vouchers", "way"), TABLE)
def test_each_type_becomes_its_vouchers(
    method: str, type_: str, sub_type: str | None, vouchers: list[tuple[str, str, str]], way: str
) -> None:
    posting = booked(item(type=type_, subType=sub_type, method=method))
    assert posting["outcome"] == "booked"
    assert posting["reason"] is None
    assert [(v["document"], v["debit"]["role"], v["credit"]["role"]) for v in posting["vouchers"]] == vouchers
    assert {v["way"] for v in posting["vouchers"]} == {way}


# Where it is not "documented" throughout.
BASES: dict[tuple[str, str, str | None], list[str]] = {
    **{(AP, type_, None): ["documented", "double_entry"] for type_ in ("card_purchase", "card_invoice", "fee")},
    **{(AP, type_, None): ["documented", "double_entry"] for type_ in ("refund", "chargeback", "cashback")},
    **{(AP, type_, None): ["assumption", "assumption"] for type_ in ("out_of_pocket", "mileage", "per_diem")},
    (AP, "fee", "interest"): ["documented", "double_entry"],
    (J, "invoice_payment", "invoice_payment_returned"): ["double_entry"],
    (J, "fee", None): ["wallet_documented"],
    (J, "fee", "interest"): ["wallet_documented"],
    (J, "cashback", None): ["wallet_documented"],
    (J, "direct_reimbursement", "reimbursement_to_employee_refund"): ["assumption"],
    (J, "direct_reimbursement", "reimbursement_to_company"): ["assumption"],
    (J, "external_reimbursement", "reimbursement_to_employee_refund"): ["meaning_documented"],
    (J, "external_reimbursement", "reimbursement_to_company"): ["meaning_documented"],
}


@pytest.mark.parametrize(("method", "type_", "sub_type"), [row[:3] for row in TABLE])
def test_each_voucher_names_its_source(method: str, type_: str, sub_type: str | None) -> None:
    vouchers = booked(item(type=type_, subType=sub_type, method=method))["vouchers"]
    assert [voucher["basis"] for voucher in vouchers] == BASES.get((method, type_, sub_type), ["documented"])


@pytest.mark.parametrize(("method", "type_"), sorted({row[:2] for row in TABLE}))
def test_an_unknown_subtype_is_not_booked(method: str, type_: str) -> None:
    reason = booked(item(type=type_, subType="unheard_of", method=method))["reason"]
    assert reason == f"Type {type_} with subtype unheard_of is not in the booking table: give it a row in 'booking'"


ACCOUNTS = CONFIGURATION["accounts"]


@pytest.mark.parametrize(("type_", "role"), [("fee", "fees"), ("cashback", "otherIncome")])
def test_a_category_comes_before_the_configured_account(type_: str, role: str) -> None:
    (voucher,) = booked(item(type=type_), configuration=[CONFIGURATION | {"accounts": ACCOUNTS | {role: "9"}}])[
        "vouchers"
    ]
    assert {"role": "line", "account": None} in (voucher["debit"], voucher["credit"])


def test_accounts_come_from_the_item_the_vendor_and_the_configuration() -> None:
    (bill, payment) = booked(
        item(type="card_purchase", method=AP, contraAccount={"code": None, "identifier": "own-wallet"}),
        vendor_accounts={"V-1": "2401"},
    )["vouchers"]
    assert bill["debit"] == {"role": "line", "account": None}
    assert bill["credit"] == payment["debit"] == {"role": "accountsPayable", "account": "2401"}
    assert payment["credit"] == {"role": "wallet", "account": "own-wallet"}


def test_a_vendor_without_an_account_gets_the_configured_one() -> None:
    (bill,) = booked(item(type="invoice", method=AP), vendor_accounts={"V-2": "2402"})["vouchers"]
    assert bill["credit"]["account"] == ACCOUNTS["accountsPayable"]


@pytest.mark.parametrize(
    ("journal", "journals"),
    [("GEN", ["GEN", "GEN"]), ({"bill": "PURCH", "*": "PLEO"}, ["PURCH", "PLEO"]), ({"bill": "PURCH"}, [])],
)
def test_journals_are_chosen_by_document(journal: Any, journals: list[str | None]) -> None:
    verdict = judge(item(type="card_purchase", method=AP), configuration=[CONFIGURATION | {"journal": journal}])
    assert [v["journal"] for v in verdict["posting"]["vouchers"]] == journals
    assert (verdict["validationStatus"] == "passed") == bool(journals)


@pytest.mark.parametrize(("type_", "role", "account"), [("fee", "fees", "6900"), ("cashback", "otherIncome", "3900")])
def test_lines_without_a_category_fall_back_to_a_configured_account(type_: str, role: str, account: str) -> None:
    without = item(type=type_, accountingEntryLines=[])
    configuration = [CONFIGURATION | {"accounts": ACCOUNTS | {role: account}}]
    (voucher,) = booked(without, configuration=configuration)["vouchers"]
    assert {"role": role, "account": account} in (voucher["debit"], voucher["credit"])
    failed = judge(without)
    assert failed["posting"]["outcome"] == "failed"
    assert failed["validationFailureReason"] == (
        f"Account {role} (EUR) missing: provide account {role} (EUR) in the configurations "
        f"(needed for: {'expense' if type_ == 'fee' else 'refund'})"
    )


def test_external_reimbursements_fall_back_to_the_contra_account() -> None:
    accounts = {role: account for role, account in ACCOUNTS.items() if role != "externalReimbursement"}
    configuration = [CONFIGURATION | {"accounts": accounts}]
    (voucher,) = booked(item(type="external_reimbursement"), configuration=configuration)["vouchers"]
    assert voucher["credit"] == {"role": "contra", "account": ACCOUNTS["contra"]}
    returned = item(type="external_reimbursement", subType="reimbursement_to_company")
    assert booked(returned, configuration=configuration)["vouchers"][0]["debit"] == voucher["credit"]


@pytest.mark.parametrize("type_", ["direct_reimbursement", "invoice_payment", "wallet_topup", "personal_spend"])
def test_settlements_need_no_category(type_: str) -> None:
    assert booked(item(type=type_, accountingEntryLines=[]))["outcome"] == "booked"


@pytest.mark.parametrize("amount", [0, 0.0])
def test_an_amount_of_zero_is_nothing_to_book_and_needs_nothing(amount: float) -> None:
    zero = item(type="card_purchase", amount=amount, accountingEntryLines=[], contraAccount=None)
    verdict = judge(zero, configuration=[])
    assert verdict["validationStatus"] == "passed"
    assert verdict["posting"] == {"outcome": "nothing_to_book", "reason": "The amount is zero", "vouchers": []}


def test_a_row_may_skip_a_type() -> None:
    rows = [{"when": {"types": ["wallet_topup"]}, "skip": True}]
    posting = booked(item(type="wallet_topup"), booking=rows)
    assert posting["outcome"] == "nothing_to_book"
    assert posting["vouchers"] == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"type": "overdraft"}, "Type overdraft is not in the booking table: give it a row in 'booking'"),
        (
            {"type": "invoice_payment", "subType": "invoice_payment_split"},
            (
                "Type invoice_payment with subtype invoice_payment_split is not in the booking table: "
                "give it a row in 'booking'"
            ),
        ),
        (
            {"type": "direct_reimbursement", "amount": -100},
            (
                "A negative direct_reimbursement without a subtype may be a payment or its return: "
                "give it a row in 'booking'"
            ),
        ),
    ],
)
def test_undecided_items_fail_at_once(changed: dict[str, Any], reason: str) -> None:
    verdict = judge(item(**changed))
    assert verdict["posting"]["outcome"] == "failed"
    assert verdict["validationFailureReasonType"] == "invalid_configuration"
    assert verdict["validationFailureReason"] == verdict["posting"]["reason"] == reason


def test_a_row_for_no_subtype_decides_negative_amounts_too() -> None:
    sides = {"vouchers": [{"document": "transfer", "debit": "contra", "credit": "wallet"}]}
    rows = [
        {"when": {"types": ["wallet_topup"], "subTypes": [None]}, "way": "out"} | sides,
        {"when": {"types": ["wallet_topup"], "subTypes": ["interest"]}, "way": "in"} | sides,
    ]
    assert booked(item(type="wallet_topup", amount=-100), booking=rows)["outcome"] == "booked"


def test_an_item_without_an_amount_fails() -> None:
    verdict = judge(item() | {"amount": None})
    (finding,) = (found for found in verdict["validationChecks"] if found["check"] == "amounts_add_up")
    assert finding == {
        "check": "amounts_add_up",
        "status": "failed",
        "severity": "error",
        "failureReasonType": "validation_failure",
        "failureReason": "The item has no amount: correct it in Pleo",
        "path": "/amount",
        "subject": {"role": "amount"},
    }


@pytest.mark.parametrize(
    ("changed", "without", "reason", "subject"),
    [
        (
            {"type": "out_of_pocket"},
            "outOfPocket",
            (
                "Account outOfPocket (EUR) missing: provide account outOfPocket (EUR) in the configurations "
                "(needed for: expense)"
            ),
            {"role": "outOfPocket", "document": "expense", "currency": "EUR", "companyId": COMPANY},
        ),
        (
            {"type": "card_purchase", "method": AP},
            "accountsPayable",
            (
                "Account accountsPayable (EUR) missing: provide account accountsPayable (EUR) in the configurations "
                "(needed for: bill, payment)"
            ),
            {"role": "accountsPayable", "document": "bill", "currency": "EUR", "companyId": COMPANY},
        ),
    ],
)
def test_a_missing_role_is_named_with_its_document(
    changed: dict[str, Any], without: str, reason: str, subject: dict[str, str]
) -> None:
    accounts = {role: account for role, account in ACCOUNTS.items() if role != without}
    verdict = judge(item(**changed), configuration=[CONFIGURATION | {"accounts": accounts}])
    assert verdict["validationFailureReasonType"] == "missing_configuration"
    assert verdict["validationFailureReason"] == reason
    finding = next(f for f in verdict["validationChecks"] if f["status"] == "failed")
    assert {name: finding["subject"][name] for name in subject} == subject


@pytest.mark.parametrize(
    ("type_", "sub_type"), [row[1:3] for row in TABLE if row[0] == AP and row[1] != "invoice_payment"]
)
def test_a_payable_without_a_vendor_fails(type_: str, sub_type: str | None) -> None:
    verdict = judge(item(type=type_, subType=sub_type, method=AP, vendor=None))
    assert verdict["validationFailureReasonType"] == "vendor_unknown"


@pytest.mark.parametrize(
    ("type_", "sub_type"), [row[1:3] for row in TABLE if row[0] == J or row[1] == "invoice_payment"]
)
def test_the_others_need_no_vendor(type_: str, sub_type: str | None) -> None:
    assert booked(item(type=type_, subType=sub_type, vendor=None))["outcome"] == "booked"


def test_amounts_that_do_not_add_up_fail() -> None:
    verdict = judge(item(type="card_purchase", amount=1201, accountingEntryLines=[line()]))
    assert verdict["validationFailureReasonType"] == "validation_failure"
    assert "1200" in verdict["validationFailureReason"]
    assert "1201" in verdict["validationFailureReason"]


PAGE = (Path(__file__).parents[2] / "docs" / "validation.md").read_text("utf-8")
SECTIONS = {part.partition("`")[0]: part for part in PAGE.split("\n### `")[1:]}


def blocks(text: str, kind: str) -> list[Any]:
    """Return the JSON examples of a kind."""
    return [json.loads(found) for found in re.findall(rf"```json {kind}\n(.*?)```", text, re.DOTALL)]


@pytest.mark.parametrize("check", BUILTIN_CHECKS)
def test_examples_of_the_documentation(check: str) -> None:
    (item_,), (common,) = blocks(PAGE, "item"), blocks(PAGE, "common-config")
    section = SECTIONS[check].partition("\n## ")[0]
    configs = blocks(section, "config")
    # The second example of a section shows its own configuration.
    examples = zip(blocks(section, "passes"), blocks(section, "fails"), blocks(section, "findings"), strict=True)
    for passes, fails, findings in examples:
        config = common | (
            configs.pop() if configs and (check.endswith("exists") or "wallet_topup" in str(fails)) else {}
        )
        assert of_check(check, item_ | passes, config) == []
        assert of_check(check, item_ | fails, config) == findings


def of_check(check: str, record: dict[str, Any], config: dict[str, Any]) -> list[dict[str, Any]]:
    found = judge(record, **config)["validationChecks"]
    names = ("failureReasonType", "failureReason", "path")
    return [{n: f[n] for n in names} for f in found if f["check"] == check and f["status"] == "failed"]


def test_first_row_of_the_documentation() -> None:
    row = json.loads(printed("validation.md", "booking row"))
    shipped = json.loads((CHECKOUT / "schemas" / "booking.json").read_bytes())
    bank = booked(item(type="wallet_topup"), booking=[row, *shipped])
    purchase = booked(item(type="card_purchase"), booking=[row, *shipped])

    assert [bank["outcome"], purchase["outcome"]] == ["nothing_to_book", "booked"]


def test_group_of_the_documentation() -> None:
    (config,), (changes,), (vouchers,) = (blocks(PAGE, kind) for kind in ("group", "group-item", "group-vouchers"))
    (common,) = blocks(PAGE, "item")
    assert booked(common | changes, **config) == {"outcome": "booked", "reason": None, "vouchers": vouchers}


def test_reason_names_three_lines_and_counts_the_others() -> None:
    lines = [line(100, account=None) for _ in range(12)]
    verdict = judge(item(accountingEntryLines=lines))
    texts = [f"Line {number} has no category: choose one in Pleo" for number in (1, 2, 3)]
    assert verdict["validationFailureReason"] == "; ".join([*texts, "and 9 more lines"])
    assert [f["subject"]["line"] for f in verdict["validationChecks"] if f["status"] == "failed"] == [*range(1, 13)]


def test_reason_has_at_most_500_characters() -> None:
    account = {"id": "1", "name": "M" * 300, "code": None, "identifier": None}
    verdict = judge(item(accountingEntryLines=[line(account=account)]))
    assert len(verdict["validationFailureReason"]) == 500
    assert verdict["validationFailureReason"].endswith("…")


def test_placeholders_of_a_user_check() -> None:
    lines = [line(600), line(600, tags=[{"code": "X"}])]
    tags = {"items": {"properties": {"tags": {"items": {"properties": {"code": {"enum": ["A"]}}}}}}}
    check = {"id": "own", "failureReasonType": "tag_unknown", "failureReason": "{value} in line {line}: {path} {x}"}
    check["schema"] = {"properties": {"accountingEntryLines": tags}}  # type: ignore[assignment] # JSON
    verdict = judge(item(accountingEntryLines=lines), checks=[check])
    assert verdict["validationFailureReason"] == "X in line 2: /accountingEntryLines/1/tags/0/code {x}"


def test_all_zero_account_counts_as_missing() -> None:
    unknown = {"id": "00000000-0000-0000-0000-000000000000", "name": "I don't know", "code": "0", "identifier": "0"}
    verdict = judge(item(accountingEntryLines=[line(account=unknown)]))
    assert verdict["validationFailureReason"] == "Line 1 has no category: choose one in Pleo"


def test_lines_with_and_without_a_category_fail_even_with_a_fallback() -> None:
    configuration = [CONFIGURATION | {"accounts": ACCOUNTS | {"fees": "6900"}}]
    mixed = item(type="fee", accountingEntryLines=[line(600), line(600, account=None)])
    assert judge(mixed, configuration=configuration)["validationFailureReason"] == (
        "Line 2 has no category: choose one in Pleo"
    )


@pytest.mark.parametrize(("values", "sum_"), [([600, 601], "1201"), ([Decimal("0.1"), Decimal("1199.8")], "1199.9")])
def test_sum_of_lines_is_exact(values: list[Any], sum_: str) -> None:
    verdict = judge(item(accountingEntryLines=[line(value) for value in values]))
    assert verdict["validationFailureReason"].startswith(f"The lines add up to {sum_}, the item to 1200 (EUR")


@pytest.mark.parametrize(
    ("name", "text"),
    [("v.csv", "vendor;account\nV-1;2401\n"), ("v.json", '{"V-1": "2401"}'), ("v.csv", "ext-1,2401\n")],
)
def test_vendor_accounts_from_a_file(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    (bill,) = booked(item(type="invoice"), vendor_accounts=str(tmp_path / name))["vouchers"]
    assert bill["credit"]["account"] == "2401"


def test_first_item_of_an_assumption_is_a_warning() -> None:
    warnings: list[str] = []
    validator = Validator(parse_settings({"configuration": [CONFIGURATION]}), warnings.append)
    for _ in range(2):
        validator.judge(item(type="direct_reimbursement", subType="reimbursement_to_company"))
    (warning,) = warnings
    assert warning.endswith(
        "is the first direct_reimbursement "
        "reimbursement_to_company: it is booked by an assumption, see the booking table"
    )


@pytest.mark.parametrize(("type_", "method"), [("card_purchase", AP), ("mileage", J)])
def test_null_bookkeeping_is_for_taggable_types(type_: str, method: str) -> None:
    assert judge(item(type=type_, method=None), null_bookkeeping=AP)["bookkeepingMethod"] == method


def test_tax_of_a_settlement_is_a_warning() -> None:
    tax = {"code": "T1", "amount": {"inWalletCurrency": {"currency": "EUR", "value": 200}}}
    verdict = judge(item(type="invoice_payment", accountingEntryLines=[line(tax=tax)]))
    (finding,) = (f for f in verdict["validationChecks"] if f["status"] == "failed")
    assert (verdict["validationStatus"], finding["severity"]) == ("passed", "warning")
    assert finding["subject"] == {"role": "tax", "line": 1, "currency": "EUR"}
