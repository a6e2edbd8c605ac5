"""Columns of the models, compared with the records that were loaded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.helpers.voucher_records import NOW, uuid
from tests.helpers.voucher_world import SIZES
from tests.helpers.warehouse import Warehouse

# The first test of a database also loads it and builds the models.
pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(900)]
Items = dict[str, dict[str, Any]]


def rows(books: Warehouse, items: Items, name: str, columns: str, model: str = "pleo__expenses") -> list[Any]:
    entry = items[name]["accountingEntryId"].lower()
    return books.rows(f"select {columns} from {model} where accounting_entry_id = '{entry}'")


def test_major_units_follow_the_currency_of_each_side(books: Warehouse, items: Items) -> None:
    assert rows(books, items, "yen_abroad", "wallet_amount, supplier_amount") == [(Decimal(119), Decimal(20000))]
    columns = "wallet_gross, wallet_net, wallet_tax, supplier_gross, supplier_net, supplier_tax, tax_type"
    assert rows(books, items, "yen_abroad", columns, "pleo__accounting_entry_lines") == [
        (*map(Decimal, (119, 100, 19, 20000, 16807, 3193)), None)
    ]


def test_tax_in_another_currency_is_unknown(books: Warehouse, items: Items) -> None:
    columns = "wallet_tax, wallet_tax_minor"
    assert rows(books, items, "tax_in_dollars", columns, "pleo__accounting_entry_lines") == [(None, None)]


def test_numbers_with_an_exponent_are_read(books: Warehouse, items: Items) -> None:
    assert rows(books, items, "exponent", "wallet_amount_minor") == [(Decimal(1000),)]


def test_stored_files_count_and_those_without_address_do_not(books: Warehouse, items: Items) -> None:
    assert rows(books, items, "invoice", "number_of_attachments, invoice_number, invoice_date, due_date") == [
        (3, "INV-7", "2026-11-01", "2026-12-01")
    ]


def test_an_odd_size_costs_only_itself(books: Warehouse, items: Items) -> None:
    columns = "file_number, size_bytes, stored_bytes"
    found = rows(books, items, "exponent", columns, "pleo__attachments")
    assert sorted(found) == [(number, size, size) for number, (_, size) in enumerate(SIZES, 1)]


def test_the_code_of_an_account_wins_over_its_identifier(books: Warehouse, items: Items) -> None:
    model = "pleo__accounting_entry_lines"
    assert rows(books, items, "both_codes", "account", model) == [("6200",)]
    assert rows(books, items, "account_identifier", "account", model) == [("gl-1",)]


def test_the_external_id_of_a_vendor_is_its_code_without_another(books: Warehouse, items: Items) -> None:
    assert rows(books, items, "vendor_without_code", "vendor_code, vendor_name") == [("ext-2", "Papyrus")]
    assert rows(books, items, "invoice", "vendor_code") == [("V-1",)]


def test_ids_count_regardless_of_case_and_the_last_line_of_a_key_counts(books: Warehouse, items: Items) -> None:
    assert rows(books, items, "twice", "note, number_of_jobs, job_id") == [("again", 2, uuid(4, 1))]
    staged = rows(books, items, "twice", "note", "stg_pleo__export_items")
    assert sorted(staged) == [("again",), ("last line",)]
    assert rows(books, items, "twice", "code", "pleo__tags") == [("A",)]
    findings = rows(books, items, "twice", "job_id, is_latest", "pleo__validation_findings")
    assert findings == [(uuid(2, 1), False)]


def test_progress_of_jobs(books: Warehouse) -> None:
    query = (
        "select status, announced_items, listed_items, loaded_items, is_complete, minutes_left "
        "from pleo__export_job_progress order by job_id"
    )
    left = (NOW + timedelta(minutes=90) - datetime.now(UTC)) // timedelta(minutes=1)
    _, second, third, fourth, *others = books.rows(query)
    assert second[:5] == ("in_progress", 3, 1, 1, False)
    assert second[5] in {left, left - 1}
    assert others[:2] == [("completed", 3, 2, 0, False, None), ("in_progress", 1, 1, 1, False, 0)]
    assert others[2][:5] == ("in_progress", 0, 0, 0, False)
    assert third == ("completed", 1, 1, 1, True, None)
    assert fourth[:5] == ("pending", 1, 1, 1, False)


def test_each_open_item_needs_one_thing(books: Warehouse) -> None:
    needs, listed = "items_to_book + items_to_report + items_to_decide", "pending_items + in_progress_items"
    found = books.rows(f"select {needs}, {listed} from pleo__export_job_progress where not is_over")
    assert [needed for needed, _ in found] == [open_items for _, open_items in found]
    assert max(found) > (1, 1)


def test_a_job_without_items_has_counts_of_zero(books: Warehouse) -> None:
    counted = ("pending", "in_progress", "successful", "failed", "abandoned", "failed_validation")
    columns = [*(f"{name}_items" for name in counted), *(f"items_to_{name}" for name in ("book", "report", "decide"))]
    query = f"select {', '.join(columns)} from pleo__export_job_progress where job_id = '{uuid(7, 1)}'"
    assert books.rows(query) == [(0,) * len(columns)]


def test_the_outbox_has_verdicts_of_open_items_alone(books: Warehouse, items: Items) -> None:
    entries = {name: record["accountingEntryId"].lower() for name, record in items.items()}
    updates = books.rows('select "jobId", "accountingEntryId", status, "failureReason" from pleo__item_updates')
    assert sorted(updates) == sorted(
        [
            (uuid(1, 1), entries["failed"], "failed", "Line 1 has no category"),
            (uuid(2, 1), entries["twice"], "failed", "Line 1 has no category"),
            (uuid(1, 1), entries["nothing_to_book"], "successful", None),
        ]
    )


def test_a_failed_item_is_reported_with_its_failed_errors_alone(books: Warehouse, items: Items) -> None:
    entry = items["failed"]["accountingEntryId"].lower()
    columns = "finding_key, job_id, accounting_entry_id, finding_number, status, severity, failure_reason"
    others = f"insert into pleo__validation_findings ({columns}) values " + ", ".join(
        f"('{number}', '{uuid(1, 1)}', '{entry}', {number}, '{status}', '{severity}', '{severity} {status}')"
        for number, status, severity in ((-2, "failed", "warning"), (-1, "error", "error"))
    )
    updates = (
        'select "failureReasonType", "failureReason" from pleo__item_updates '
        f"where \"accountingEntryId\" = '{entry}' and \"jobId\" = '{uuid(1, 1)}'"
    )

    reported = [("missing_configuration", "Line 1 has no category")]
    assert books.rows(updates) == reported
    assert books.rows("begin transaction", others, updates) == reported


def test_the_outbox_reports_entries_whose_vouchers_are_all_recorded(books: Warehouse, items: Items) -> None:
    entry = items["accounts_payable/card_purchase/None/11900"]["accountingEntryId"]
    updates = (
        f'select status, "externalId", "exportedAt" from pleo__item_updates where "accountingEntryId" = \'{entry}\''
    )
    waiting = f"select document from pleo__vouchers_to_book where accounting_entry_id = '{entry}' order by 1"
    begin = "begin transaction"
    bill, payment = (
        "insert into pleo_recorded (voucher_id, external_id, recorded_at) "
        f"values ('{entry}/{document}/1', '{name}', timestamp with time zone '2026-11-2{day} 03:04:05+00')"
        for document, name, day in (("bill", "JE-1", 1), ("payment", "JE-2", 2))
    )
    both = (
        "insert into pleo_recorded (job_id, accounting_entry_id, external_id, recorded_at) "
        f"values ('{uuid(1, 1).upper()}', '{entry.upper()}', 'JE-3', timestamp with time zone '2026-11-23 03:04:05+00')"
    )

    assert books.rows(waiting) == [("bill",), ("payment",)]
    assert books.rows(begin, bill, waiting) == [("payment",)]
    assert books.rows(begin, bill, updates) == []
    assert books.rows(begin, payment, bill, updates) == [("successful", "JE-1", "2026-11-21T03:04:05.000000Z")]
    assert books.rows(begin, both, waiting) == []
    assert books.rows(begin, both, updates) == [("successful", "JE-3", "2026-11-23T03:04:05.000000Z")]
