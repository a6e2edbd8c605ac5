"""The worlds beside the demo: what Pleo's schemas allow, more than a page holds, and what no text of Pleo's shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Sandbox
from sandbox.conformance import violations
from sandbox.job_variety import ITEM_FAILURES, JOB_FAILURES, JOB_VARIETY
from sandbox.kinds import CURRENCIES, HOSTILE, KINDS, VARIED, Kind
from sandbox.variety import COUNTRIES, VARIETY
from sandbox.variety import HOSTILE as HOSTILE_ODDITIES
from sandbox.worlds import WORLDS
from tests.sandbox.conftest import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

ABSENT = object()


@pytest.fixture(scope="module")
def varied() -> Sandbox:
    return Sandbox.holding("varied")


@pytest.fixture(scope="module")
def items(varied: Sandbox) -> list[dict[str, Any]]:
    return [item for job in varied.jobs.values() for item in job.items]


@pytest.fixture(scope="module")
def rows(varied: Sandbox) -> list[dict[str, Any]]:
    return [job.row(entry) for job in varied.jobs.values() for entry in job.item_statuses]


@pytest.fixture(scope="module")
def crowded() -> Iterator[Client]:
    with Sandbox.holding("crowded") as pleo:
        client = Client(pleo)
        yield client
        client.session.close()


def seen(objects: list[Any], *path: str) -> list[Any]:
    """What stands at ``path`` in each object; lists on the way are entered, ``ABSENT`` stands for what is missing."""
    for name in path:
        inner = [part for found in objects for part in (found if isinstance(found, list) else [found])]
        objects = [found.get(name, ABSENT) for found in inner if isinstance(found, dict)]
    return objects


def test_everything_in_the_varied_world_fits_its_wire_schema(
    varied: Sandbox, items: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> None:
    assert [found for item in items if (found := violations("ExportItemV3", item))] == []
    assert [found for row in rows if (found := violations("ExportJobItemV3", row))] == []
    assert [found for job in varied.jobs.values() if (found := violations("ExportJobV3", job.record))] == []


def test_every_variety_is_in_a_world() -> None:
    assert {oddity for kind in VARIED for oddity in kind.oddities} == set(VARIETY)
    assert {oddity for kind in HOSTILE for oddity in kind.oddities} == set(HOSTILE_ODDITIES)
    assert {name for plans in WORLDS.values() for plan in plans for name in plan.variety} == set(JOB_VARIETY)


LINES = "accountingEntryLines"
MORE = "additionalInformation"
INVOICE = (MORE, "invoiceInformation")


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (("_links",), [{}]),
        (("contraAccount",), [ABSENT]),
        (("supplier",), [ABSENT]),
        (("user",), [ABSENT]),
        (("files",), [[]]),
        (("files", "type"), ["application/pdf", "image/png", "text/plain"]),
        (("type",), ["gift_card"]),
        (("subType",), ["gift_card_expired"]),
        (("bookkeeping", "method"), ["cash_basis"]),
        (("note",), [""]),
        (("supplier", "code"), ["S-0042", ""]),
        (("supplier", "account"), ["070042", ""]),
        (("team", "code"), ["007", "", ABSENT]),
        (("user", "code"), [ABSENT]),
        ((LINES, "tags"), [ABSENT, None]),
        ((LINES, "account"), [ABSENT, None]),
        ((LINES, "tax"), [ABSENT, None]),
        ((LINES, "tax", "code"), [ABSENT, None]),
        ((LINES, "tax", "type"), ["exempt"]),
        ((LINES, "tags", "groupCode"), [""]),
        ((MORE, "attendees"), [None, ["Ada Lovelace"]]),
        ((MORE, "reconciledEntries"), [[], ["CR4V000000001", None]]),
        ((*INVOICE, "dueDate"), [None, ABSENT]),
        ((*INVOICE, "paymentDate"), [ABSENT]),
        ((*INVOICE, "supplierBankAccount"), [None, ABSENT]),
        ((*INVOICE, "status"), ["disputed", "paid"]),
        (("amount", "inWalletCurrency", "currency"), ["KWD", "UNDEFINED"]),
        (("amount", "inSupplierCurrency", "currency"), CURRENCIES),
        (("vendor", "country"), [*COUNTRIES, ABSENT]),
        (("supplier", "country"), COUNTRIES),
        ((*INVOICE, "supplierBankAccount", "country"), COUNTRIES),
    ],
)
def test_items_vary(items: list[dict[str, Any]], path: tuple[str, ...], values: list[Any]) -> None:
    found = seen(items, *path)
    assert [value for value in values if value not in found] == []


def test_tax_varies_and_still_adds_up(items: list[dict[str, Any]]) -> None:
    taxed = [line for line in seen(items, LINES) for line in line if line.get("tax")]

    assert {str(line["tax"]["rate"]) for line in taxed} >= {"0", "0.055", "0.081234567890123456789"}
    assert any(line["tax"]["amount"]["inSupplierCurrency"]["value"] % 1 for line in taxed)
    for line in taxed:
        for side, total in line["lineAmount"].items():
            assert line["netAmount"][side]["value"] + line["tax"]["amount"][side]["value"] == total["value"]


def test_a_service_lasts_longer_than_a_day(items: list[dict[str, Any]]) -> None:
    assert any(period["from"][:4] < period["to"][:4] for period in seen(items, "servicePeriod") if period)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("isInteractive", [False]),
        ("vendorBasedBookkeeping", [False]),
        ("createdBy", [None, ABSENT]),
        ("completedAt", [ABSENT]),
        ("expiresIn", [86_400, 2**31 - 1]),
        ("numberOfItems", [0]),
        ("status", ["archived"]),
        ("failureReason", [""]),
        ("failureReasonType", [*JOB_FAILURES, "solar_flare", "", ABSENT]),
    ],
)
def test_jobs_vary(varied: Sandbox, name: str, values: list[Any]) -> None:
    found = seen([job.record for job in varied.jobs.values()], name)
    assert [value for value in values if value not in found] == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("status", ["on_hold"]),
        ("failureReasonType", [*ITEM_FAILURES, "period_closed", "", ABSENT]),
        ("externalId", ["", ABSENT]),
        ("exportedAt", [ABSENT]),
    ],
)
def test_job_items_vary(rows: list[dict[str, Any]], name: str, values: list[Any]) -> None:
    found = seen(rows, name)
    assert [value for value in values if value not in found] == []


def test_a_job_may_be_of_any_kinds(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=3, kinds=[Kind("card_purchase", oddities=("team_code",)), KINDS[3]])

    served = client.items(job).json()["data"]

    assert [item["type"] for item in served] == ["card_purchase", "mileage", "card_purchase"]
    assert served[0]["team"]["code"] == "007"


def test_what_no_text_of_pleos_shows_is_in_no_world(pleo: Sandbox) -> None:
    hostile = pleo.add_job(items=1, kinds=HOSTILE)

    assert violations("ExportItemV3", hostile.items[0]) != []
    assert not {oddity for kind in (*KINDS, *VARIED) for oddity in kind.oddities} & set(HOSTILE_ODDITIES)


def test_more_than_the_largest_page_of_jobs_and_of_their_items(crowded: Client) -> None:
    (job,) = (job for job in crowded.pleo.jobs.values() if job.items)
    for path, query in (
        ("/v3/export-jobs", {}),
        (f"/v3/export-jobs/{job.id}/items", {}),
        ("/v3/export-items", {"job_id": job.id}),
    ):
        pages = crowded.walk(path, limit=1000, **query)
        assert [len(page["data"]) for page in pages] == [1000, 1]


def find(client: Client, entry: str, **query: str) -> Any:
    return client.get("/v3/export-job-items", accounting_entry_id=entry, **query)


def test_a_job_item_is_found_by_its_entry(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=2)
    pleo.add_job(items=2)
    entry = list(job.item_statuses)[1]

    assert find(client, entry.upper()).json() == {"data": job.row(entry)}
    assert find(client, entry, company_id=job.record["companyId"]).json() == {"data": job.row(entry)}
    for missing in (find(client, job.id), find(client, entry, company_id=job.id)):
        assert (missing.status_code, missing.json()["type"]) == (404, "EXPORT_ENTRY_NOT_FOUND")


def test_an_update_may_fail_on_pleos_side(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=2)
    locked, other = job.item_statuses
    job.locked.add(locked)

    done = client.update(job, *({"accountingEntryId": entry, "status": "successful"} for entry in (locked, other)))

    assert violations("ExportJobItemUpdateV3", done.json()) == []
    assert [row["accountingEntryId"] for row in done.json()["data"]] == [other]
    (error,) = done.json()["errors"]
    assert (error["accountingEntryId"], error["type"]) == (locked, "ACCOUNTING_ENTRY_UPDATE_FAILED")
    assert job.item_statuses[locked] == "pending"
