"""Where an item is posted: journal and counter account, by configuration, item and needs table."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pleo_export.validation import Posting, Validator, parse_settings
from tap_pleo_export.validation.messages import MAX_CACHED
from tests.helpers.mapper import GOOD, item, record, run, schema

CONTRA = {"id": "2f0c3a1e", "name": "Pleo GBP", "code": None, "identifier": "bank-01"}
PAYABLE = {"bookkeeping": {"method": "accounts_payable"}}
VENDOR = {"id": "v", "name": "Target", "code": "V1"}


def posting(config: dict[str, Any], **changes: Any) -> Posting | None:
    return Validator(parse_settings(config)).judge(item(**changes)).posting


@pytest.mark.parametrize(
    ("changes", "account", "role"),
    [
        ({}, "1240", "contraAccount"),
        ({"contraAccount": CONTRA}, "bank-01", "contraAccount"),
        ({"contraAccount": None}, "1240", "wallet"),
        ({"type": "mileage"}, "2890", "outOfPocket"),
        ({"type": "direct_reimbursement"}, "1240", "contraAccount"),
        ({"type": "wallet_topup", "contraAccount": None}, "1910", "contra"),
        ({"type": "wallet_topup", "contraAccount": None, **PAYABLE}, "1910", "contra"),
        ({"type": "of_tomorrow", "contraAccount": None}, "1910", "contra"),
    ],
)
def test_the_last_account_of_the_needs_is_the_counter_account(changes: dict[str, Any], account: str, role: str) -> None:
    assert posting(GOOD, **changes) == Posting("J1", account, role)


def test_accounts_payable_calls_for_no_journal() -> None:
    assert posting(GOOD, vendor=VENDOR, **PAYABLE) == Posting(None, "2440", "accountsPayable")


def test_accounts_payable_without_a_vendor_has_no_posting() -> None:
    assert posting(GOOD, **PAYABLE) is None


def test_a_supplier_stands_in_for_the_vendor_where_the_settings_say_so() -> None:
    config = GOOD | {"null_bookkeeping": "accounts_payable"}
    supplier = item()["supplier"] | {"account": "S1"}

    assert posting(config, supplier=supplier) == Posting(None, "2440", "accountsPayable")
    assert posting(config) is None


def test_what_nobody_provides_is_null() -> None:
    assert posting({}) == Posting(None, "1240", "contraAccount")
    assert posting({}, contraAccount=None) == Posting()


def test_an_entry_of_the_company_is_used_whole_and_the_currency_chooses() -> None:
    company = item()["companyId"].upper()
    own = {"companyId": company, "accounts": {"wallet": {"EUR": "1", "*": "2"}}}
    config = {"configuration": [*GOOD["configuration"], own]}

    assert posting(config, contraAccount=None) == Posting(None, "2", "wallet")


def test_a_needs_table_of_ones_own_decides() -> None:
    rows = [{"when": {"types": ["fee"]}, "needs": []}, {"when": {}, "needs": [["bank", "contraAccount"], "journal"]}]
    entry = {"companyId": "*", "journal": "J1", "accounts": {"bank": {"EUR": "1910"}}}
    config = {"requirements": rows, "configuration": [entry]}

    assert posting(config) == Posting("J1", "1240", "contraAccount")
    assert posting(config, contraAccount=None) == Posting("J1")
    assert posting(config, type="fee") == Posting()
    unprovided = config | {"configuration": []}
    assert posting(unprovided) == Posting(None, "1240", "contraAccount")


def test_without_its_check_there_is_no_posting() -> None:
    assert posting(GOOD | {"disabled_checks": ["required_configuration"]}) is None


def test_where_the_check_breaks_there_is_no_posting_and_the_item_fails() -> None:
    verdict = Validator(parse_settings(GOOD)).judge(item(companyId=7))

    assert verdict.posting is None
    assert (verdict.status, verdict.failure_reason_type) == ("failed", "unexpected_failure")


def test_each_item_has_its_own_however_many_accounts_there_are() -> None:
    count = MAX_CACHED + 2
    lines = [record(item(number, contraAccount={"code": str(number)})) for number in range(count)]
    annotated = run(b"".join([schema(), *lines]), GOOD).records()

    assert [after["posting"]["counterAccount"] for after in annotated] == [str(number) for number in range(count)]
