"""Records as the loaders write them: export items with their posting, jobs and job items, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg import sql

from tests.helpers.warehouse import Warehouse
from tools.postgres import Postgres

COMPANY = "12abc3d4-e567-890e-1234-abc56e78fabc"
ACCOUNTS = {
    "wallet": "1240",
    "outOfPocket": "2890",
    "contra": "1910",
    "accountsPayable": "2440",
    "externalReimbursement": "2891",
    "fees": "7770",
    "otherIncome": "3990",
}
NOW = datetime.now(UTC).replace(microsecond=0)

Side = tuple[str, str]
"""Debit role and credit role."""
Row = tuple[str, tuple[tuple[str, Side], ...], str]
"""Method, vouchers by document, way."""


def _row(way: str, *vouchers: tuple[str, str, str]) -> tuple[tuple[tuple[str, Side], ...], str]:
    return tuple((document, (debit, credit)) for document, debit, credit in vouchers), way


_PURCHASE = _row("out", ("expense", "line", "wallet"))
_OWN_MONEY = _row("out", ("expense", "line", "outOfPocket"))
_REFUND = _row("in", ("refund", "wallet", "line"))
_ADVANCE = _row("out", ("advance", "outOfPocket", "wallet"))
_PAID_BILL = _row("out", ("bill", "line", "accountsPayable"), ("payment", "accountsPayable", "wallet"))
_OWN_BILL = _row("out", ("bill", "line", "accountsPayable"), ("payment", "accountsPayable", "outOfPocket"))
_CREDIT_NOTE = _row("in", ("credit_note", "accountsPayable", "line"), ("payment_returned", "wallet", "accountsPayable"))
_PAYOUT = _row("out", ("reimbursement", "outOfPocket", "wallet"))
_PAYOUT_BACK = _row("in", ("reimbursement_returned", "wallet", "outOfPocket"))
_OUTSIDE = _row("out", ("reimbursement", "outOfPocket", "externalReimbursement"))
_OUTSIDE_BACK = _row("in", ("reimbursement_returned", "externalReimbursement", "outOfPocket"))

BOOKING: dict[tuple[str, str, str | None], tuple[tuple[tuple[str, Side], ...], str]] = {
    ("accounts_payable", "invoice", None): _row("out", ("bill", "line", "accountsPayable")),
    **{("accounts_payable", kind, None): _PAID_BILL for kind in ("card_purchase", "card_invoice", "fee")},
    **{("accounts_payable", kind, None): _OWN_BILL for kind in ("out_of_pocket", "mileage", "per_diem")},
    **{("accounts_payable", kind, None): _CREDIT_NOTE for kind in ("refund", "chargeback", "cashback")},
    ("journal", "invoice", None): _row("out", ("bill", "line", "accountsPayable")),
    ("journal", "invoice_payment", None): _row("out", ("payment", "accountsPayable", "wallet")),
    ("journal", "invoice_payment", "invoice_payment_returned"): _row(
        "in", ("payment_returned", "wallet", "accountsPayable")
    ),
    **{("journal", kind, None): _PURCHASE for kind in ("card_purchase", "card_invoice")},
    ("journal", "fee", None): _row("out", ("expense", "fees", "wallet")),
    **{("journal", kind, None): _REFUND for kind in ("refund", "chargeback")},
    ("journal", "cashback", None): _row("in", ("refund", "wallet", "otherIncome")),
    **{("journal", kind, None): _ADVANCE for kind in ("atm_withdrawal", "personal_spend")},
    **{("journal", kind, None): _OWN_MONEY for kind in ("out_of_pocket", "mileage", "per_diem")},
    ("journal", "direct_reimbursement", None): _PAYOUT,
    ("journal", "direct_reimbursement", "reimbursement_to_employee_refund"): _PAYOUT_BACK,
    ("journal", "external_reimbursement", None): _OUTSIDE,
    ("journal", "external_reimbursement", "reimbursement_to_company"): _OUTSIDE_BACK,
    ("journal", "wallet_topup", None): _row("in", ("transfer", "wallet", "contra")),
    ("journal", "wallet_unload", None): _row("out", ("transfer", "contra", "wallet")),
}
"""The booking table as the mapper renders it into `posting`: method, type and sub type to vouchers and way."""


def uuid(number: int, kind: int = 0) -> str:
    """Return the same uuid for the same number, with letters, so that upper case differs."""
    return str(UUID(int=(kind << 96) + (0xABCD << 80) + (4 << 76) + (2 << 62) + number))


def money(value: Any, currency: str = "EUR", foreign: tuple[Any, str] | None = None) -> dict[str, Any]:
    """Return an amount in both currencies."""
    supplier, code = foreign or (value, currency)
    return {
        "inWalletCurrency": {"currency": currency, "value": value},
        "inSupplierCurrency": {"currency": code, "value": supplier},
    }


def line(gross: Any, account: str | None = "6100", **members: Any) -> dict[str, Any]:
    """Return a line without tax; `tax` may be a dict with amount, type and accounts, `net` a number."""
    currency = members.pop("currency", "EUR")
    net = members.pop("net", gross)
    tax = members.pop("tax", None)
    if tax is not None:
        amount = tax.get("amount")
        tax_currency = tax.get("currency", currency)
        tax = {
            "code": tax.get("code", "T19"),
            "type": tax.get("type", "exclusive"),
            "rate": tax.get("rate", Decimal("0.19")),
            "amount": None if amount is None else money(amount, tax_currency),
            "ingoingTaxAccount": tax.get("ingoing", "1575"),
            "outgoingTaxAccount": tax.get("outgoing"),
        }
    return {
        "accountingEntryLineId": None,
        "lineAmount": money(gross, currency),
        "netAmount": None if net is None else money(net, currency),
        "account": None if account is None else {"id": None, "name": f"Account {account}", "code": account},
        "tax": tax,
        "tags": [],
    } | members


def item(number: int, kind: str = "card_purchase", amount: Any = 11900, **members: Any) -> dict[str, Any]:
    """Return an export item of one line, validated and with its posting."""
    method = members.pop("method", "journal")
    currency = members.pop("currency", "EUR")
    found = {
        "accountingEntryId": uuid(number),
        "companyId": COMPANY,
        "itemStatus": "pending",
        "type": kind,
        "subType": None,
        "date": "2026-11-05T10:00:00Z",
        "amount": money(amount, currency),
        "accountingEntryLines": [line(amount, currency=currency)],
        "contraAccount": None,
        "vendor": None,
        "supplier": {"name": "Deutsche Bahn", "country": "DE"},
        "user": {"id": "u-1", "name": "Priya Nair", "code": "17"},
        "team": {"id": "t-1", "name": "Sales", "code": "S"},
        "note": "Train",
        "additionalInformation": {"reconciliationId": f"CR{number:06}"},
        "files": [],
        "bookkeepingMethod": method,
        "validationStatus": "passed",
        "validationChecks": [],
    } | members
    found.setdefault("posting", posting(found))
    return found


def posting(record: dict[str, Any]) -> dict[str, Any]:
    """Return the members that the mapper adds to a record that passed its checks."""
    value = record["amount"]["inWalletCurrency"]["value"]
    if value == 0:
        return {"outcome": "nothing_to_book", "reason": "The amount is zero", "vouchers": []}
    vouchers, way = BOOKING[record["bookkeepingMethod"], record["type"], record["subType"]]
    return {
        "outcome": "booked",
        "reason": None,
        "vouchers": [
            {
                "document": document,
                "journal": "PLEO",
                "debit": {"role": debit, "account": ACCOUNTS.get(debit)},
                "credit": {"role": credit, "account": ACCOUNTS.get(credit)},
                "way": way,
                "basis": "documented",
            }
            for document, (debit, credit) in vouchers
        ],
    }


def failed(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as the mapper leaves one that failed."""
    reason = {"failureReasonType": "missing_configuration", "failureReason": "Line 1 has no category"}
    return record | {
        "validationStatus": "failed",
        "validationFailureReasonType": reason["failureReasonType"],
        "validationFailureReason": reason["failureReason"],
        "validationChecks": [{"check": "expense_gl_account", "status": "failed", "severity": "error", **reason}],
        "posting": {"outcome": "failed", "reason": reason["failureReason"], "vouchers": []},
    }


KEYS = {
    "export_jobs": ("id",),
    "export_job_items": ("exportJobId", "accountingEntryId"),
    "export_items": ("jobId", "accountingEntryId"),
}
TEXTS = {
    "export_jobs": ("companyId", "status", "createdAt", "startedAt", "lastUpdatedAt", "expiresAt", "completedAt"),
    "export_job_items": ("status", "externalId", "exportedAt", "failureReasonType", "failureReason"),
    "export_items": (
        *("companyId", "itemStatus", "type", "subType", "date", "note", "bookkeepingMethod"),
        *("validationStatus", "validationFailureReasonType", "validationFailureReason"),
    ),
}
OBJECTS = (
    *("amount", "accountingEntryLines", "contraAccount", "vendor", "supplier", "user", "team", "servicePeriod"),
    *("additionalInformation", "files", "_links", "validationChecks", "posting"),
)


@dataclass
class Load:
    """Records that one load brings, in the order of writing."""

    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def job(self, number: int, status: str = "in_progress", **members: Any) -> str:
        """Add an export job; those with higher numbers are younger. Return its id."""
        created = NOW - timedelta(minutes=50) + timedelta(seconds=number)
        job = {
            "id": uuid(number, 1),
            "companyId": COMPANY,
            "status": status,
            "numberOfItems": 1,
            "createdAt": created.isoformat(),
            "expiresAt": (created + timedelta(days=1)).isoformat(),
        }
        self.rows.append(("export_jobs", job | members))
        return uuid(number, 1)

    def deliver(self, job: int, record: dict[str, Any], status: str | None = "pending") -> None:
        """Add an item of a job and its status."""
        self.rows.append(("export_items", {"jobId": uuid(job, 1)} | record))
        self.status(job, record["accountingEntryId"], status)

    def status(self, job: int, entry: str, status: str | None, **members: Any) -> None:
        """Add the status of a job's item."""
        row = {"exportJobId": uuid(job, 1), "accountingEntryId": entry, "status": status}
        self.rows.append(("export_job_items", row | members))

    def into(self, warehouse: Warehouse) -> None:
        """Load the records as the warehouse's loader does."""
        if warehouse.kind == "duckdb":
            self.into_files(warehouse.files)
        else:
            self.into_postgres(warehouse.server, warehouse.database)

    def into_files(self, folder: Path) -> None:
        """Append the records as target-jsonl does."""
        for stream in KEYS:
            with (folder / f"{stream}.jsonl").open("a", encoding="utf-8") as file:
                file.writelines(f"{exact_json(row)}\n" for name, row in self.rows if name == stream)

    def into_postgres(self, server: Postgres, database: str) -> None:
        """Insert or update the records as target-postgres does, in tables like its own."""
        with server.connect(database) as connection:
            connection.execute("create schema if not exists pleo")
            for stream, keys in KEYS.items():
                names = list(columns(stream))
                types = sql.SQL(", ").join(
                    sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
                    for name, kind in columns(stream).items()
                )
                table = sql.Identifier("pleo", stream)
                key = sql.SQL(", ").join(map(sql.Identifier, keys))
                connection.execute(
                    sql.SQL("create table if not exists {} ({}, primary key ({}))").format(table, types, key)
                )
                insert = sql.SQL("insert into {} values ({}) on conflict ({}) do update set {}").format(
                    table,
                    sql.SQL(", ").join(sql.Placeholder() * len(names)),
                    key,
                    sql.SQL(", ").join(
                        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names if name not in keys
                    ),
                )
                for values in self._values(stream, names):
                    connection.execute(insert, values)

    def _values(self, stream: str, names: Sequence[str]) -> Iterator[list[Any]]:
        for name, row in self.rows:
            if name == stream:
                stamped = row | {"_sdc_batched_at": datetime.now(UTC).replace(tzinfo=None)}
                yield [
                    exact_json(value) if column in OBJECTS and value is not None else value
                    for column in names
                    for value in (stamped.get(column),)
                ]


def columns(stream: str) -> dict[str, str]:
    """Return the columns of a loaded table with their types."""
    texts = dict.fromkeys((*KEYS[stream], *TEXTS[stream]), "text")
    numbers = {"numberOfItems": "bigint"} if stream == "export_jobs" else {}
    objects = dict.fromkeys(OBJECTS, "jsonb") if stream == "export_items" else {}
    return texts | numbers | objects | {"_sdc_batched_at": "timestamp"}


def exact_json(value: Any) -> str:
    """Return JSON whose numbers have every digit."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {exact_json(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(exact_json, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)
