"""A small firm's export jobs, validated by the mapper: sample data for the report."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.helpers import mapper

NOW = datetime(2026, 3, 3, 14, 10, tzinfo=UTC)
"""Time of the report."""
COMPANY, SUBSIDIARY = "12abc3d4-e567-890e-1234-abc56e78fabc", "59540ed2-0d68-4e36-9e31-58223975d9e9"
JOBS = ("8eb648ab-464b-42a0-ba17-eda703657e33", "c41f20de-5b1c-4d0e-9a55-6f0b7e21d3aa")
SEED = 7

ACCOUNTS = {
    "wallet": {"GBP": "1240", "EUR": "1241"},
    "outOfPocket": "2890",
    "contra": "1910",
    "accountsPayable": "2440",
}
LARGE = {"properties": {"value": {"minimum": 100_000}}}
CONFIG: dict[str, Any] = {
    "configuration": [
        {"companyId": COMPANY, "journal": "PLEO", "accounts": ACCOUNTS},
        {"companyId": SUBSIDIARY, "journal": "PLEO-S", "accounts": {"wallet": "1240", "contra": "1910"}},
    ],
    "references": {
        "gl_accounts": ["4100", "6100", "6420", "7300"],
        "tax_codes": ["T0", "T1"],
        "tags": ["PRJ-7", "PRJ-8"],
        "vendors": ["V-100"],
    },
    "checks": [
        {
            "id": "note_over_limit",
            "schema": {
                "if": {"properties": {"amount": {"properties": {"inWalletCurrency": LARGE}}}},
                "then": {"properties": {"note": {"type": "string", "minLength": 3}}, "required": ["note"]},
            },
            "failureReasonType": "validation_failure",
            "failureReason": "Note missing: purchases of 1,000 and more need one",
        },
        {
            "id": "team",
            "schema": {"properties": {"team": {"type": "object"}}},
            "failureReasonType": "validation_failure",
            "failureReason": "No team: the expense goes to the overhead cost centre",
            "severity": "warning",
        },
    ],
}  # fmt: skip

PEOPLE = ("Amélie Laurent", "Søren Ångström", "Priya Nair", "Tom O’Brien", "Łucja Wiśniewska", "Zoë Müller")
SUPPLIERS = ("Deutsche Bahn", "Café Ørsted", "Adobe Systems", "Figma", "Royal Mail", "Uber", "Ikea", "Hotel Miramar")
CATEGORIES = (("Travel", "7300"), ("Software", "6420"), ("Office", "6100"), ("Postage", "6100"))


def line(account: dict[str, Any] | None, **members: Any) -> dict[str, Any]:
    """Return an accounting entry line."""
    example: dict[str, Any] = mapper.item()["accountingEntryLines"][0]
    return example | {"account": account, "tags": [], "tax": None} | members


def category(name: str, code: str | None) -> dict[str, Any]:
    """Return a line's account."""
    return {"id": "7966c3ba", "name": name, "code": code, "identifier": None}


FAILURES: tuple[tuple[int, dict[str, Any]], ...] = (
    (9, {"accountingEntryLines": [line(category("Client gifts", None))]}),
    (6, {"accountingEntryLines": [line(category("Training", "6199"))]}),
    (5, {"contraAccount": None, "wallet": "USD"}),
    (4, {"type": "out_of_pocket", "contraAccount": None, "companyId": SUBSIDIARY, "jobId": JOBS[1]}),
    (3, {"bookkeeping": {"method": "accounts_payable"}, "vendor": None, "type": "invoice"}),
    (2, {"bookkeeping": {"method": "accounts_payable"}, "vendor": {"name": "Nordlys Papir", "code": "V-777"}}),
    (2, {"accountingEntryLines": [line(category("Travel", "7300"), tax={"code": "T20", "rate": 0.2})]}),
    (1, {"accountingEntryLines": [line(None), line(category("Travel", "7300"), tags=[{"code": "PRJ-9"}])]}),
    (1, {"note": None, "value": 184_050}),
    (1, {"accountingEntryLines": []}),
    (3, {"team": None}),
)
"""Numbers of items, and their differences from an item that passes."""


def money(currency: str, value: int) -> dict[str, Any]:
    """Return an amount."""
    return {
        "inSupplierCurrency": {"currency": "EUR", "value": value},
        "inWalletCurrency": {"currency": currency, "value": value},
    }


def one_line(currency: str, value: int) -> dict[str, Any]:
    """Return the amount of an item and its only line."""
    amount = money(currency, value)
    return {"amount": amount, "accountingEntryLines": [line(category("Office", "6100"), lineAmount=amount)]}


def items(passed: int = 160) -> list[dict[str, Any]]:
    """Return the export items, the failing ones first."""
    rng = random.Random(SEED)  # noqa: S311 - repeatable
    found: list[dict[str, Any]] = []
    for times, changes in (*FAILURES, (passed, {})):
        for _ in range(times):
            own = dict(changes)
            currency = own.pop("wallet", None) or rng.choice(("GBP", "GBP", "EUR"))
            value = own.pop("value", None) or rng.randrange(350, 99_000)
            day = NOW - timedelta(days=rng.randrange(1, 25), minutes=rng.randrange(1000))
            number = len(found) + 1
            record = {
                "jobId": JOBS[number % 3 == 0],
                "date": day.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "amount": money(currency, value),
                "user": {"id": "u", "name": rng.choice(PEOPLE), "code": "17"},
                "supplier": {"name": rng.choice(SUPPLIERS), "code": None, "account": None, "taxIdentifier": None},
                "team": {"id": "t", "name": "Sales", "code": None},
                "type": rng.choice(("card_purchase", "card_purchase", "card_invoice")),
                "_links": {"web": {"exportItem": f"https://app.pleo.example/export/{number}"}},
            }
            drawn = [line(category(*rng.choice(CATEGORIES)))]
            # The first line has the whole amount.
            parts = [
                each | {"lineAmount": money(currency, 0 if place else value)}
                for place, each in enumerate(own.pop("accountingEntryLines", drawn))
            ]
            found.append(mapper.item(number, **record | own | {"accountingEntryLines": parts}))
    return found


def jobs() -> list[dict[str, Any]]:
    """Return the export jobs."""
    made = (NOW - timedelta(minutes=22), NOW - timedelta(minutes=9))
    return [
        {
            "id": identity, "companyId": company, "status": "in_progress", "numberOfItems": items_of,
            "createdAt": at.isoformat(), "expiresAt": (at + timedelta(hours=1)).isoformat(),
        }
        for identity, company, at, items_of in zip(JOBS, (COMPANY, SUBSIDIARY), made, (141, 67), strict=True)
    ]  # fmt: skip


def statuses() -> list[dict[str, Any]]:
    """Return job items without an export item: recorded or refused earlier."""
    found = [("successful", number) for number in range(9)] + [("failed", number) for number in range(9, 11)]
    return [
        {"exportJobId": JOBS[0], "accountingEntryId": f"{number:08d}-aaaa-4000-a000-000000000000", "status": status}
        for status, number in found
    ]


def validated(records: list[dict[str, Any]], config: dict[str, Any] | None = None) -> bytes:
    """Return the mapper's output for the jobs, the job items and these export items."""
    sent = [mapper.schema("export_jobs", {}), mapper.schema("export_job_items", {})]
    sent += [mapper.record(job, "export_jobs") for job in jobs()]
    sent += [mapper.record(status, "export_job_items") for status in statuses()]
    members: dict[str, Any] = {name: {} for record in records for name in record}
    sent.append(
        mapper.schema("export_items", {"properties": mapper.ITEM_SCHEMA["properties"] | members | {"team": {}}})
    )
    sent += [mapper.record(record, time_extracted="2026-03-03T14:08:12Z") for record in records]
    return mapper.run(b"".join(sent), CONFIG if config is None else config).data


def scene() -> bytes:
    """Return the mapper's output for all of them."""
    return validated(items())


def many(count: int) -> Iterator[dict[str, Any]]:
    """Yield small validated items, the largest amount last; every second one failed."""
    finding = {"check": "required_configuration", "status": "failed", "severity": "error"}
    checks = [finding | {"subject": {"role": "vendor"}, "failureReason": "Vendor missing"}]
    for number in range(count):
        failed = number % 2 == 0
        yield {
            "jobId": JOBS[0],
            "accountingEntryId": f"{number:08d}-0d68-4e36-9e31-58223975d9e9",
            "type": "card_purchase",
            "date": "2026-03-01T10:00:00Z",
            "amount": money("GBP", number + 1),
            "user": {"name": PEOPLE[number // 2 % 6]},
            "supplier": {"name": f"Supplier {number % 3000}"},
            "note": "n" * 200,
            "_links": {"web": {"exportItem": f"https://app.pleo.example/export/{number}"}},
            "validationStatus": "failed" if failed else "passed",
            "validationChecks": checks if failed else [],
        }
