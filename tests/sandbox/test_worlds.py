"""Worlds for bookkeeping: settlements, signs, tax, dates and repeated exports."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sandbox import Job, Sandbox
from sandbox.balances import Balances
from sandbox.behaviour import MONEY_BACK, OTHER_SIGNS
from sandbox.conformance import violations
from tests.sandbox.conftest import Client

SETTLEMENTS = {"invoice_payment", "direct_reimbursement", "external_reimbursement", "wallet_topup", "wallet_unload"}
SIGNS = {"settled": MONEY_BACK, "settled_other_signs": OTHER_SIGNS}
Item = dict[str, Any]


def ended(world: str) -> tuple[Sandbox, Job, Job]:
    """Return a world whose job has been exported, and the job that follows."""
    pleo = Sandbox.holding(world)
    (first,) = pleo.jobs.values()
    first.finish("completed", pleo.now())
    pleo.ended(first)
    return pleo, first, list(pleo.jobs.values())[-1]


def wallet_value(item: Item) -> Any:
    return item["amount"]["inWalletCurrency"]["value"]


@pytest.mark.parametrize("world", [*SIGNS, "repeated"])
def test_both_jobs_conform(world: str) -> None:
    for job in ended(world)[1:]:
        assert violations("ExportJobV3", job.record) == []
        assert [found for item in job.items if (found := violations("ExportItemV3", item))] == []


@pytest.mark.parametrize("world", SIGNS)
def test_debts_of_one_job_are_settled_in_the_next(world: str) -> None:
    pleo, first, second = ended(world)
    company = pleo.company_of(first)

    before, after = Balances.after(first.items), Balances.after(pleo.entries(company.id))

    assert before.suppliers[company.currency] > 0
    assert {value > 0 for value in before.employees.values()} == {True, False}
    assert set(after.suppliers.values()) == set(after.employees.values()) == {0}
    assert {item["type"] for item in second.items} == SETTLEMENTS - {"wallet_topup", "wallet_unload"}
    # Each cent that has left the company is an expense, and no other.
    assert after.wallet[company.currency] + after.bank[company.currency] == -sum(map(cost, first.items))


def cost(item: Item) -> Decimal:
    """Return the cost of an item to the company."""
    if item["type"] in SETTLEMENTS | {"personal_spend", "atm_withdrawal"}:
        return Decimal(0)
    value = Decimal(wallet_value(item))
    return -abs(value) if item["type"] in MONEY_BACK else value


def test_the_worlds_differ_in_the_signs_that_pleo_does_not_document() -> None:
    signs = {}
    for world in SIGNS:
        items = [item for job in ended(world)[1:] for item in job.items if wallet_value(item)]
        signs[world] = {
            item["type"]: {wallet_value(i) < 0 for i in items if i["type"] == item["type"]} for item in items
        }

    assert signs["settled"].keys() == signs["settled_other_signs"].keys()
    for world, negative in SIGNS.items():
        assert signs[world] == {type_: {type_ in negative} for type_ in signs[world]}


def test_settlements_have_no_account_and_name_the_settled_entries() -> None:
    _, first, second = ended("settled")
    known = {item["additionalInformation"]["reconciliationId"] for item in first.items}
    numbers = {information["invoiceNumber"] for item in first.items if (information := invoice(item))}

    for item in (item for item in (*first.items, *second.items) if item["type"] in SETTLEMENTS):
        assert [line["account"] for line in item["accountingEntryLines"]] == [None]
    for item in second.items:
        settled = item["additionalInformation"]["reconciledEntries"]
        if item["type"] == "invoice_payment":
            assert invoice(item)["invoiceNumber"] in numbers
        elif item["subType"] == "reimbursement_to_employee_refund":
            assert settled is None
        else:
            assert set(settled) <= known
    assert any(len(item["additionalInformation"]["reconciledEntries"] or ()) > 2 for item in second.items)


def invoice(item: Item) -> Item:
    information: Item = item["additionalInformation"]["invoiceInformation"] or {}
    return information


@pytest.mark.parametrize("kind", ["exclusive", "inclusive", "reverse"])
def test_only_an_exclusive_tax_lowers_the_net_amount(kind: str) -> None:
    lines = [line for item in ended("settled")[1].items for line in item["accountingEntryLines"] if line["tax"]]
    taxed = [line for line in lines if line["tax"]["type"] == kind]

    assert taxed
    for line in taxed:
        amounts = (line["lineAmount"], line["netAmount"], line["tax"]["amount"])
        gross, net, tax = (amount["inWalletCurrency"]["value"] for amount in amounts)
        assert bool(tax) == bool(gross)
        assert net == (gross - tax if kind == "exclusive" else gross)


def test_dates_are_close_to_midnight_and_to_the_new_year() -> None:
    times = {item["date"][5:] for item in ended("settled")[1].items}

    assert "12-31T23:30:00Z" in times
    assert {"23:59:59Z", "00:00:00Z"} <= {time[6:] for time in times}


def test_a_cancelled_job_abandons_open_items_and_entries_come_again_with_other_amounts() -> None:
    world = Sandbox.holding("repeated")
    (first,) = world.jobs.values()
    booked, failed, *_ = first.item_statuses
    first.update(booked, {"status": "successful"}, world.now())
    first.update(failed, {"status": "failed"}, world.now())

    world.cancel(first)

    again = list(world.jobs.values())[-1]
    assert first.record["failureReasonType"] == "canceled_by_user"
    assert list(first.item_statuses.values()) == ["successful", "failed", *["abandoned"] * 6]
    assert [item["accountingEntryId"] for item in again.items] == list(first.item_statuses)[::2]
    assert [wallet_value(item) for item in again.items] == [2 * wallet_value(item) for item in first.items[::2]]
    (company,) = world.companies.values()
    spent = sum(wallet_value(item) for item in (*again.items, *first.items[1::2]))
    assert Balances.after(world.entries(company.id)).wallet == {company.currency: -spent}


def test_an_event_of_the_client_ends_the_job_too(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    pleo.afterwards[job.id] = lambda world, job: world.add_job(items=2, company_id=job.record["companyId"])

    for _ in range(2):
        client.event(job, "completed")

    assert [len(job.items) for job in pleo.jobs.values()] == [1, 2]
