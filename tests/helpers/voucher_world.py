"""A world of items to book, loaded into both databases, and what their vouchers must be."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.helpers import voucher_records as records
from tests.helpers.voucher_records import BOOKING, Load, item, line, money
from tests.helpers.warehouse import Warehouse

AMOUNTS = (11900, -11900, Decimal("1000.5"), Decimal("-0.5"), 1)
TAX = {"amount": 1900}
SIZES: list[tuple[Any, int | None]] = [
    (40000, 40000), (Decimal("4E+4"), 40000), (0, 0), (2**63 - 1, 2**63 - 1), ("12", 12),
    (2**63, None), (Decimal("1E+30"), None), (10**20, None), (10**400, None), (Decimal("1E+999"), None),
    (-1, None), (Decimal("1.5"), None), (Decimal("1E-9"), None),
    ("x", None), ("NaN", None), ("Infinity", None), ("", None), (True, None), (None, None), ([], None), ({}, None),
]  # fmt: skip
"""Sizes of files as they may arrive, and as the models have them."""

VARS = {
    "pleo_currency_exponents": {"XBT": 8},
    "pleo_closed_until": {records.COMPANY.upper(): "2025-12-31"},
    "pleo_tag_columns": {"cost_centre": "COST_CENTRE"},
}


def taxed(gross: Any, net: Any, **tax: Any) -> dict[str, Any]:
    """Return a line with tax."""
    return line(gross, net=net, tax=TAX | tax)


SPECIAL: dict[str, dict[str, Any]] = {
    "split": {"accountingEntryLines": [taxed(11900, 10000)]},
    "one_cent_off": {"accountingEntryLines": [taxed(11900, 10001)]},
    "two_cents_off": {"accountingEntryLines": [taxed(11900, 10002)]},
    "inclusive": {"accountingEntryLines": [taxed(11900, 11900, type="inclusive")]},
    "no_tax_account": {"accountingEntryLines": [taxed(11900, 10000, ingoing=None)]},
    "tax_in_dollars": {"accountingEntryLines": [taxed(11900, 10000, currency="USD")]},
    "tax_unknown": {"accountingEntryLines": [taxed(11900, 10000, amount=None)]},
    "net_unknown": {"accountingEntryLines": [taxed(11900, None)]},
    "reverse": {"accountingEntryLines": [taxed(11900, 11900, type="reverse", outgoing="1787")]},
    "half_a_reverse": {"accountingEntryLines": [taxed(11900, 11900, type="reverse")]},
    "no_tax_on_a_code": {"accountingEntryLines": [taxed(11900, 11900, amount=0, rate=0)]},
    "thirds": {
        "amount": money(100),
        "accountingEntryLines": [line(Decimal("33.333333333333"))] * 2 + [line(Decimal("33.333333333334"))],
    },
    "halves": {"amount": money(Decimal("1.5")), "accountingEntryLines": [line(Decimal("0.5"))] * 3},
    "negative_line": {"amount": money(500), "accountingEntryLines": [line(700, "7310"), line(-200, "6100")]},
    "fractions_of_tax": {
        "amount": money(Decimal("100.4")),
        "accountingEntryLines": [line(Decimal("100.4"), net=Decimal("84.2"), tax={"amount": Decimal("16.2")})],
    },
    "refund_with_tax": {
        "type": "refund",
        "amount": money(-11900),
        "accountingEntryLines": [line(-11900, net=-10000, tax={"amount": -1900})],
    },
    "yen": {"amount": money(1500, "JPY"), "accountingEntryLines": [line(1500, currency="JPY")]},
    "dinars": {"amount": money(1500, "KWD"), "accountingEntryLines": [line(1500, currency="KWD")]},
    "bitcoin": {"amount": money(12345678, "XBT"), "accountingEntryLines": [line(12345678, currency="XBT")]},
    "nineteen_digits": {"amount": money(9223372036854775807), "accountingEntryLines": [line(9223372036854775807)]},
    "account_identifier": {
        "accountingEntryLines": [line(11900) | {"account": {"code": " ", "identifier": "gl-1", "name": "G"}}]
    },
    "both_codes": {
        "accountingEntryLines": [line(11900) | {"account": {"code": "6200", "identifier": "gl-2", "name": "G"}}]
    },
    "own_account": {"contraAccount": {"name": "Pleo EUR", "code": "1240", "identifier": "gl-w"}},
    "tags": {
        "accountingEntryLines": [
            line(11900)
            | {
                "tags": [
                    {"groupCode": "O'Brien", "code": "A"},
                    {"groupCode": "COST_CENTRE", "code": "B"},
                    {"groupCode": "O'Brien", "code": "C"},
                    {"groupCode": "cost_centre", "code": "D"},
                    {"groupCode": "x" * 70 + "1", "code": "E"},
                    {"groupCode": "x" * 70 + "2", "code": "F"},
                ]
            }
        ]
    },
    "odd_tags": {
        "accountingEntryLines": [
            line(11900, tags=[None, "A", {"groupCode": "G", "code": None}, {"groupCode": "H", "code": "A"}])
        ]
    },
    "many_groups": {
        "accountingEntryLines": [line(11900, tags=[{"groupCode": f"G{n}", "code": "X"} for n in range(1700)])]
    },
    "new_years_eve": {"date": "2025-12-31T23:30:00Z"},
    "new_years_day": {"date": "2026-01-01T00:30:00+01:00"},
    "date_only": {"date": "2025-12-31"},
    "yen_abroad": {
        "amount": money(11900, "EUR", (20000, "JPY")),
        "accountingEntryLines": [
            line(11900)
            | {
                "lineAmount": money(11900, "EUR", (20000, "JPY")),
                "netAmount": money(10000, "EUR", (16807, "JPY")),
                "tax": {
                    "code": "T19",
                    "type": None,
                    "rate": Decimal("0.19"),
                    "amount": money(1900, "EUR", (3193, "JPY")),
                    "ingoingTaxAccount": "1575",
                    "outgoingTaxAccount": None,
                },
            }
        ],
    },
    "exponent": {
        "amount": money(Decimal("1E+3")),
        "accountingEntryLines": [line(Decimal("1E+3"))],
        "files": [{"url": f"https://files.example/{size}", "size": size, "storedBytes": size} for size, _ in SIZES],
    },
    "foreign": {"amount": money(11900, "EUR", (13000, "USD"))},
    "vendor_without_code": {"vendor": {"name": "Papyrus", "code": None, "externalId": "ext-2"}},
    "invoice": {
        "type": "invoice",
        "vendor": {"name": "Nordlys", "code": "V-1", "externalId": "ext-1"},
        "additionalInformation": {
            "reconciliationId": "CR-1",
            "attendees": ["Zoë"],
            "invoiceInformation": {"invoiceNumber": "INV-7", "dueDate": "2026-12-01", "invoiceDate": "2026-11-01"},
        },
        "files": [
            {"storedPath": "a/1.pdf"},
            {"url": "https://files.example/2"},
            {"type": "pdf"},
            {"storedPath": "a/2.pdf"},
        ],
    },
}
"""Card purchases of 119.00 EUR but for these members."""
UNBOOKABLE: dict[str, dict[str, Any]] = {
    "currency_unknown": {"amount": money(100, "QQQ"), "accountingEntryLines": [line(100, currency="QQQ")]},
    "no_lines": {"accountingEntryLines": []},
    "lines_do_not_add_up": {"accountingEntryLines": [line(Decimal("11900.001"))]},
    "line_without_account": {"accountingEntryLines": [line(11900, None)]},
    "currencies_differ": {"accountingEntryLines": [line(11900, currency="USD")]},
    "two_currencies": {"accountingEntryLines": [line(5950), line(5950, currency="USD")]},
    "date_unknown": {"date": "2025-02-30T25:00:00Z"},
    "amount_unknown": {"amount": money(None)},
    "not_validated": {"posting": None, "validationStatus": None},
    "nothing_to_book": {"amount": money(0), "accountingEntryLines": [line(0)]},
}
EXCEPTIONS = {
    "two_cents_off": "amounts_differ",
    "inclusive": "amounts_differ",
    "no_tax_account": "tax_account_missing",
    "tax_in_dollars": "tax_in_another_currency",
    "tax_unknown": "tax_unknown",
    "net_unknown": "net_unknown",
    "half_a_reverse": "reverse_account_missing",
}


def world() -> tuple[Load, dict[str, dict[str, Any]]]:
    """Return a load of one job with every kind of item, and the items by name."""
    items: dict[str, dict[str, Any]] = {}
    for method, kind, sub_type in BOOKING:
        for amount in AMOUNTS:
            members = {"method": method, "subType": sub_type}
            items[f"{method}/{kind}/{sub_type}/{amount}"] = item(len(items) + 1, kind, amount, **members)
    for name, members in (SPECIAL | UNBOOKABLE).items():
        record = item(len(items) + 1) | members
        items[name] = {**record, "posting": records.posting(record), **members}
    items["failed"] = records.failed(item(len(items) + 1))
    load = Load()
    load.job(1)
    for record in items.values():
        load.deliver(1, record)
    _other_jobs(load, items)
    return load, items


def _other_jobs(load: Load, items: dict[str, dict[str, Any]]) -> None:
    """Add jobs that are listed in part, about to expire, over, or without items; and an entry of two jobs."""
    load.job(2, numberOfItems=3, expiresAt=(records.NOW + timedelta(minutes=90)).isoformat())
    load.job(3, "completed", expiresAt=(records.NOW + timedelta(minutes=90)).isoformat())
    load.job(4, "pending")
    tagged = line(11900, tags=[{"groupCode": "G", "code": "A"}])
    twice = item(len(items) + 1, note="first", accountingEntryLines=[tagged])
    items["twice"] = twice | {"note": "again", "accountingEntryId": twice["accountingEntryId"].upper()}
    load.deliver(2, records.failed(twice))
    load.deliver(2, records.failed(twice | {"note": "last line"}))
    load.deliver(4, items["twice"])
    # The other case of the job's id; and jobs that are complete in part, over with an open item, and not loaded.
    load.rows[-2][1]["jobId"] = load.rows[-1][1]["exportJobId"] = records.uuid(4, 1).upper()
    load.job(5, "completed", numberOfItems=3)
    for number in (1, 2):
        load.status(5, records.uuid(900 + number), "successful")
    load.job(6, expiresAt=(records.NOW - timedelta(minutes=1)).isoformat())
    items["expired"] = records.failed(item(len(items) + 1))
    load.deliver(6, items["expired"])
    load.job(7, numberOfItems=0)
    over = item(len(items) + 1)
    items["over"] = over
    load.deliver(3, records.failed(over), "successful")
    # Its job item was not loaded, its record has the status.
    items["not_listed"] = item(len(items) + 1, itemStatus="successful")
    load.rows.append(("export_items", {"jobId": records.uuid(1, 1)} | items["not_listed"]))


def legs_of(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """Return role, account, amount in minor units and part of the tax of each voucher's legs."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for voucher, role, account, debit, credit, vat, unit in warehouse.rows(
        "select lines.voucher_id, lines.role, lines.account_code, lines.debit, lines.credit, lines.vat, "
        "currencies.unit from pleo__voucher_lines as lines "
        "inner join pleo__vouchers as vouchers on vouchers.voucher_id = lines.voucher_id "
        "inner join int_pleo__currencies as currencies on currencies.code = vouchers.currency "
        "order by lines.voucher_id, lines.line_number"
    ):
        found.setdefault(voucher, []).append((role, account, (debit - credit) / Decimal(unit), vat))
    return found
