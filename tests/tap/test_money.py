"""No value passes through binary floating point, and nothing Pleo sends is lost."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from tests.tap.conftest import RunTap

AMOUNTS = ["12345678901234567", "0.1", "1999.95", "-0.005", "123456789012345678901234567890.123456789", "1E+2", "-0.0"]
# A catalog's stream maps, flattening or deselection make the records take the SDK's way.
WAYS: dict[str, dict[str, Any]] = {
    "unchanged": {},
    "the SDK's way": {"stream_maps": {"export_items": {"__filter__": "True"}}, "stream_map_config": {}},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("amount", AMOUNTS)
def test_amounts_keep_every_digit(pleo: Sandbox, run_tap: RunTap, amount: str, way: str) -> None:
    job = pleo.add_job(items=1)
    job.items[0]["amount"]["inWalletCurrency"]["value"] = (
        Decimal(amount) if "." in amount or "E" in amount else int(amount)
    )

    run = run_tap(**WAYS[way])

    (value,) = [record["amount"]["inWalletCurrency"]["value"] for record in run.records()]
    assert str(value) == amount
    assert re.search(rb'"inWalletCurrency":\{[^}]*"value":' + re.escape(amount.encode()) + rb"[,}]", run.stdout)


def test_unknown_members_are_kept_and_each_name_is_reported_once(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=3)
    for item in job.items:
        item["carbonFootprint"] = {"grams": Decimal("12.50")}
        item["accountingEntryLines"][0]["project"] = "P-1"
        item["amount"]["inUniverse"] = None

    run = run_tap()

    assert run.returncode == 0
    for record in run.records():
        assert record["additionalFields"] == {"carbonFootprint": {"grams": Decimal("12.50")}}
        assert record["accountingEntryLines"][0]["project"] == "P-1"
        assert "inUniverse" in record["amount"]
    told = [line for line in run.warnings if "new field" in line]
    assert sorted(re.findall(r"new field '([^']+)'", " ".join(told))) == [
        "accountingEntryLines[].project",
        "amount.inUniverse",
        "carbonFootprint",
    ]


@pytest.mark.parametrize("name", ["jobId", "itemStatus", "additionalFields"])
def test_a_member_of_pleos_by_a_computed_name_is_kept_apart(pleo: Sandbox, run_tap: RunTap, name: str) -> None:
    job = pleo.add_job(items=1)
    job.items[0][name] = "Pleo's own"

    (record,) = run_tap().records()

    assert record["additionalFields"] == {name: "Pleo's own"}
    assert (record["jobId"], record["itemStatus"]) == (job.id, "pending")


def test_a_pretty_printed_answer_becomes_one_line_a_record(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=2)
    job = next(iter(pleo.jobs.values()))
    body = (
        '{{\n  "data": [{{\n "accountingEntryId":  "{}",\n "note": "a\\nb \u2028 c",\r\n "amount": {{"x": 1.10}}}}, '
        '{{"accountingEntryId": "{}"}}\n],\n "pagination": {{"hasNextPage": false,\n "hasPreviousPage": false}}\n}}'
    ).format(*tuple(item["accountingEntryId"] for item in job.items))
    pleo.add_fault(Fault(path="/v3/export-items", status=200, body=body.encode(), nth=None))

    run = run_tap()

    first, second = run.records()
    assert (first["note"], str(first["amount"]["x"])) == ("a\nb \u2028 c", "1.10")
    assert second.keys() == {"accountingEntryId", "jobId", "itemStatus"}
