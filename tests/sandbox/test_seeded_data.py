from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Sandbox
from sandbox.conformance import violations
from sandbox.kinds import KINDS
from sandbox.oddities import ODDITIES

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock

TYPES = {
    "card_purchase", "card_invoice", "out_of_pocket", "mileage", "per_diem", "external_reimbursement",
    "direct_reimbursement", "invoice", "invoice_payment", "chargeback", "refund", "cashback", "atm_withdrawal",
    "wallet_topup", "wallet_unload", "personal_spend", "fee",
}  # fmt: skip
SUB_TYPES = {
    "reimbursement_to_employee_refund", "reimbursement_to_company", "reimbursement_to_employee",
    "invoice_payment_returned", "invoice_payment_sent", "interest", None,
}  # fmt: skip


@pytest.fixture(scope="module")
def demo() -> Sandbox:
    return Sandbox.demo()


@pytest.fixture(scope="module")
def demo_items(demo: Sandbox) -> list[dict[str, Any]]:
    return [item for job in demo.jobs.values() for item in job.items]


def amounts(item: dict[str, Any]) -> list[Any]:
    return [money["value"] for money in item["amount"].values()]


def test_every_seeded_object_fits_its_wire_schema(demo: Sandbox, demo_items: list[dict[str, Any]]) -> None:
    assert [found for item in demo_items if (found := violations("ExportItemV3", item))] == []
    for job in demo.jobs.values():
        assert violations("ExportJobV3", job.record) == []
        for entry in job.item_statuses:
            assert violations("ExportJobItemV3", job.row(entry)) == []


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"subtype": None}, "$"),
        ({"amount": {"inSupplierCurrency": {"currency": "EUR", "value": "1"}}}, "$.amount"),
        ({"date": "YYYY-MM-DD"}, "$.date"),
        ({"accountingEntryId": "not-a-uuid"}, "$.accountingEntryId"),
        ({"vendor": {"id": "8eb648ab-464b-42a0-ba17-eda703657e33", "name": "x"}}, "$.vendor"),
    ],
)
def test_an_object_that_pleo_would_not_send_is_refused(
    demo_items: list[dict[str, Any]], change: dict[str, Any], at: str
) -> None:
    assert any(found.startswith(at) for found in violations("ExportItemV3", demo_items[0] | change))


def test_the_demo_world_has_every_type_sub_type_and_oddity(demo_items: list[dict[str, Any]]) -> None:
    assert {item["type"] for item in demo_items} == TYPES
    assert {item.get("subType") for item in demo_items} == SUB_TYPES
    assert {oddity for kind in KINDS for oddity in kind.oddities} == set(ODDITIES)
    assert {(item.get("bookkeeping") or {}).get("method") for item in demo_items} == {
        None, "none", "journal", "accounts_payable",
    }  # fmt: skip
    assert {item.get("vendor") is None for item in demo_items} == {True, False}
    assert {len(item["accountingEntryLines"]) for item in demo_items} == {0, 1, 3}


def test_the_demo_world_has_amounts_that_binary_floating_point_would_change(
    demo_items: list[dict[str, Any]],
) -> None:
    values = [value for item in demo_items for value in amounts(item)]
    for wanted in (Decimal("1999.95"), Decimal("0.1"), Decimal("-0.005"), 12345678901234567):
        assert wanted in values
    assert "JPY" in {item["amount"]["inSupplierCurrency"]["currency"] for item in demo_items}


def test_line_amounts_add_up_to_the_item(demo_items: list[dict[str, Any]]) -> None:
    for item in demo_items:
        for side, total in item["amount"].items():
            lines = [line["lineAmount"][side]["value"] for line in item["accountingEntryLines"]]
            assert not lines or sum(lines) == total["value"]


def test_net_and_tax_add_up_to_the_line(demo_items: list[dict[str, Any]]) -> None:
    taxed = [line for item in demo_items for line in item["accountingEntryLines"] if line["tax"]]
    assert taxed
    for line in taxed:
        for side, total in line["lineAmount"].items():
            assert line["netAmount"][side]["value"] + line["tax"]["amount"][side]["value"] == total["value"]


def test_the_demo_world_has_running_and_finished_jobs_and_all_item_statuses(demo: Sandbox) -> None:
    running = [job for job in demo.jobs.values() if job.running]
    assert sum(len(job.items) for job in running) == 300
    assert len({job.record["companyId"] for job in running}) == len(running) == 3
    assert {job.status for job in demo.jobs.values() if not job.running} == {
        "completed", "completed_with_errors", "failed",
    }  # fmt: skip
    assert {status for job in demo.jobs.values() for status in job.item_statuses.values()} == {
        "pending", "in_progress", "successful", "failed", "abandoned",
    }  # fmt: skip
    assert {job.record["failureReasonType"] for job in demo.jobs.values()} == {None, "job_expired"}


def test_the_seed_decides_everything(clock: Clock) -> None:
    first, again, other = (Sandbox.demo(seed=seed, clock=clock) for seed in (7, 7, 8))
    assert [job.items for job in first.jobs.values()] == [job.items for job in again.jobs.values()]
    assert first.api_key == again.api_key
    assert not set(first.jobs) & set(other.jobs)


def test_numbers_arrive_digit_by_digit(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=len(KINDS))
    text = client.items(job, limit=1000).text
    for digits in ("1999.95", "0.1", "-0.005", "12345678901234567"):
        assert f'"value":{digits}}}' in text
    assert json.loads(text, parse_float=Decimal)["data"] == job.items


def test_a_changed_item_is_served_changed(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1)
    client.items(job)
    job.items[0]["newMember"] = {"deep": [1]}
    assert client.items(job).json()["data"][0]["newMember"] == {"deep": [1]}
