"""The models' tables of vouchers in PostgreSQL, filled with vouchers made by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import psycopg

from tap_pleo_export.books.vouchers import Voucher

_TABLES = """
    create schema pleo_models;
    set search_path = pleo_models;
    create table pleo__vouchers (
        voucher_id text, kind text, reverses text, accounting_entry_id text, job_id text, company_id text,
        document text, journal text, voucher_date date, posting_date date, due_date date, document_number text,
        text text, type text, currency text, amount numeric, foreign_currency text, foreign_amount numeric,
        vendor_code text, vendor_name text, vendor_external_id text, supplier_code text, supplier_name text,
        supplier_tax_identifier text, supplier_country text, user_code text, user_name text, user_id text,
        files jsonb, web_link text, version integer, publication bigint
    );
    create table pleo__voucher_lines (
        voucher_id text, line_number integer, role text, account_code text, account_identifier text,
        account_name text, amount numeric, tax_code text, tax_rate numeric, tax_amount numeric, vat text, tags jsonb
    );
    create table pleo_recorded (
        voucher_id varchar unique, external_id varchar, external_url varchar, recorded_at timestamptz
    );
    create table pleo_refused (
        voucher_id varchar unique not null, failure_reason_type varchar, failure_reason varchar, refused_at timestamptz
    );
    create view pleo__vouchers_to_book as select * from pleo__vouchers as vouchers
    where not exists (select from pleo_recorded as recorded where recorded.voucher_id = vouchers.voucher_id)
"""


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
