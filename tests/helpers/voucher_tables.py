"""The models' tables of vouchers in PostgreSQL, filled with vouchers made by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import psycopg

from tap_pleo_export.books.vouchers import Voucher
from tests.conftest import CHECKOUT

_TABLES = (CHECKOUT / "tests" / "ledger" / "tables.sql").read_text("utf-8")


def create(connection: psycopg.Connection[Any], vouchers: Iterable[Voucher]) -> None:
    """Create the tables with these vouchers, which all wait to be booked."""
    connection.execute(_TABLES)
    add(connection, vouchers)


def add(connection: psycopg.Connection[Any], vouchers: Iterable[Voucher]) -> None:
    """Publish more vouchers."""
    for voucher in vouchers:
        _insert(connection, "pleo__vouchers", _row(voucher))
        for leg in voucher.legs:
            members = {"line_number": leg.number, "account_code": leg.account or None, "tags": json.dumps(leg.tags)}
            names = ("role", "account_name", "amount", "tax_code", "tax_rate", "tax_amount", "vat")
            own = {name: getattr(leg, name) for name in names}
            _insert(connection, "pleo__voucher_lines", {"voucher_id": voucher.id} | members | own)


def _row(voucher: Voucher) -> dict[str, Any]:
    same = (
        *("kind", "document", "journal", "voucher_date", "posting_date", "due_date", "text", "type"),
        *("currency", "amount", "foreign_currency", "foreign_amount", "web_link"),
    )
    vendor, employee = voucher.vendor, voucher.employee
    return {name: getattr(voucher, name) for name in same} | {
        "voucher_id": voucher.id,
        "reverses": voucher.reverses or None,
        "accounting_entry_id": voucher.entry,
        "job_id": voucher.job,
        "company_id": voucher.company,
        "document_number": voucher.number,
        "vendor_code": vendor.code,
        "vendor_name": vendor.name,
        "vendor_external_id": vendor.external_id,
        "user_code": employee.code,
        "user_name": employee.name,
        "user_id": employee.external_id,
        "files": json.dumps(voucher.files),
        "version": int(voucher.id.rpartition("/")[2]),
        "publication": 1,
    }


def _insert(connection: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> None:
    columns, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    query = f"insert into pleo_models.{table} ({columns}) values ({values})"  # noqa: S608 - names of this module
    connection.execute(query, row)
