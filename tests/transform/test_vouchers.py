"""Vouchers of every kind of item, compared with the rules in plain Python and with figures worked out by hand."""

from __future__ import annotations

import json
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import voucher_model
from tests.helpers.voucher_records import ACCOUNTS, COMPANY
from tests.helpers.voucher_world import EXCEPTIONS, UNBOOKABLE, VARS, legs_of, world
from tests.helpers.warehouse import MODELS, Warehouse
from tests.transform.bean_check import check, ledger
from tests.transform.read_rows import check as check_rows
from tools.postgres import Postgres

# The first test of a database also loads it and builds the models.
pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(900)]
Items = dict[str, dict[str, Any]]


def expected(items: Items, **modes: Any) -> dict[str, list[tuple[Any, ...]]]:
    with localcontext(Context(prec=60)):
        return {
            f"{record['accountingEntryId'].lower()}/{document}/1": sorted(map(comparable, legs))
            for name, record in items.items()
            if name not in {*UNBOOKABLE, "failed", "over", "expired"}
            for document, legs in voucher_model.legs(record, **modes).items()
            if legs
        }


def comparable(leg: tuple[Any, ...]) -> tuple[Any, ...]:
    role, account, amount, vat = leg
    return role, account or "", str((Decimal(amount) + 0).normalize()), vat or ""


def test_every_item_has_the_legs_that_the_rules_give(books: Warehouse, items: Items) -> None:
    with localcontext(Context(prec=60)):
        found = {voucher: sorted(map(comparable, legs)) for voucher, legs in legs_of(books).items()}
    assert found == expected(items)


def vouchers_of(books: Warehouse, items: Items, name: str, columns: str) -> list[tuple[Any, ...]]:
    return books.rows(
        f"select {columns} from pleo__vouchers where accounting_entry_id = "
        f"'{items[name]['accountingEntryId']}' order by document"
    )


def lines_of(books: Warehouse, items: Items, name: str, columns: str) -> list[tuple[Any, ...]]:
    return books.rows(
        f"select {columns} from pleo__voucher_lines where accounting_entry_id = "
        f"'{items[name]['accountingEntryId']}' order by voucher_id, line_number"
    )


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("split", [("line", "6100", "100", "0"), ("ingoingTax", "1575", "19", "0"), ("wallet", "1240", "0", "119")]),
        (
            "one_cent_off",
            [("line", "6100", "100", "0"), ("ingoingTax", "1575", "19", "0"), ("wallet", "1240", "0", "119")],
        ),
        ("two_cents_off", [("line", "6100", "119", "0"), ("wallet", "1240", "0", "119")]),
        (
            "reverse",
            [
                ("line", "6100", "119", "0"),
                ("ingoingTax", "1575", "19", "0"),
                ("outgoingTax", "1787", "0", "19"),
                ("wallet", "1240", "0", "119"),
            ],
        ),
        (
            "refund_with_tax",
            [("wallet", "1240", "119", "0"), ("line", "6100", "0", "100"), ("ingoingTax", "1575", "0", "19")],
        ),
        (
            "thirds",
            [
                ("line", "6100", "0.33", "0"),
                ("line", "6100", "0.33", "0"),
                ("line", "6100", "0.34", "0"),
                ("wallet", "1240", "0", "1"),
            ],
        ),
        (
            "halves",
            [
                ("line", "6100", "0.01", "0"),
                ("line", "6100", "0.01", "0"),
                ("line", "6100", "0", "0"),
                ("wallet", "1240", "0", "0.02"),
            ],
        ),
        ("yen", [("line", "6100", "1500", "0"), ("wallet", "1240", "0", "1500")]),
        ("bitcoin", [("line", "6100", "0.12345678", "0"), ("wallet", "1240", "0", "0.12345678")]),
        (
            "nineteen_digits",
            [("line", "6100", "92233720368547758.07", "0"), ("wallet", "1240", "0", "92233720368547758.07")],
        ),
    ],
)
def test_legs_worked_out_by_hand(books: Warehouse, items: Items, name: str, rows: list[tuple[str, ...]]) -> None:
    found = lines_of(books, items, name, "role, account_code, debit, credit")
    assert found == [(role, account, Decimal(debit), Decimal(credit)) for role, account, debit, credit in rows]


def test_unrounded_amounts_are_kept(books: Warehouse, items: Items) -> None:
    found = [row[0] for row in lines_of(books, items, "halves", "amount_minor")]
    assert found == [Decimal("0.5")] * 3 + [Decimal("-1.5")]


def test_vouchers_have_the_columns_of_an_import(books: Warehouse, items: Items) -> None:
    columns = (
        "document, journal, voucher_date, posting_date, due_date, document_number, text, vendor_code, "
        "vendor_external_id, user_code, team_code, currency, amount, reconciliation_id, files, attendees, basis"
    )
    (row,) = vouchers_of(books, items, "invoice", columns)
    assert row[:14] == (
        *("bill", "PLEO", "2026-11-05", "2026-11-05", "2026-12-01", "INV-7"),
        *("Deutsche Bahn, Priya Nair, Train", "V-1", "ext-1", "17", "S", "EUR", Decimal(119), "CR-1"),
    )
    assert [member if isinstance(member, list) else json.loads(member) for member in row[14:16]] == [
        ["a/1.pdf", "a/2.pdf"],
        ["Zoë"],
    ]
    assert row[16] == "documented"


def test_a_purchase_is_numbered_by_its_reconciliation(books: Warehouse, items: Items) -> None:
    number = items["foreign"]["additionalInformation"]["reconciliationId"]
    assert vouchers_of(books, items, "foreign", "document_number") == [(number,)]


def test_foreign_amounts_are_kept(books: Warehouse, items: Items) -> None:
    assert vouchers_of(books, items, "foreign", "foreign_currency, foreign_amount") == [("USD", Decimal(130))]


def test_the_account_of_the_item_is_named(books: Warehouse, items: Items) -> None:
    columns = "role, account_code, account_identifier, account_name"
    assert lines_of(books, items, "own_account", columns)[1] == ("wallet", "1240", "gl-w", "Pleo EUR")
    assert lines_of(books, items, "account_identifier", columns)[0] == ("line", None, "gl-1", "G")


def test_dates_are_days_of_the_calendar_and_closed_periods_move_the_posting(books: Warehouse, items: Items) -> None:
    for name in ("new_years_eve", "new_years_day", "date_only"):
        assert vouchers_of(books, items, name, "voucher_date, posting_date") == [("2025-12-31", "2026-01-01")]


def test_tags_are_rows_json_and_the_named_columns(books: Warehouse, items: Items) -> None:
    entry = items["tags"]["accountingEntryId"]
    rows = books.rows(
        f"select group_code, code from pleo__tags where accounting_entry_id = '{entry}' order by tag_number"
    )
    wanted = [(tag["groupCode"], tag["code"]) for tag in items["tags"]["accountingEntryLines"][0]["tags"]]
    assert rows == wanted
    tags = lines_of(books, items, "tags", "tags")[0][0]
    assert (tags if isinstance(tags, dict) else json.loads(tags)) == {
        "O'Brien": ["A", "C"],
        "COST_CENTRE": ["B"],
        "cost_centre": ["D"],
        "x" * 70 + "1": ["E"],
        "x" * 70 + "2": ["F"],
    }
    column = f"select cost_centre from pleo__accounting_entry_lines where accounting_entry_id = '{entry}'"
    assert books.rows(column) == [("B",)]


def test_only_tags_with_a_code_count(books: Warehouse, items: Items) -> None:
    tags = lines_of(books, items, "odd_tags", "tags")[0][0]
    assert (tags if isinstance(tags, dict) else json.loads(tags)) == {"H": ["A"]}


def test_accounts_without_a_figure_or_a_due_date(books: Warehouse) -> None:
    checks = "select distinct status from pleo__account_checks where check_name = 'wallet'"
    assert books.rows(checks) == [("unknown",)]
    payables = "select party, as_of from pleo__account_checks where check_name = 'accounts_payable' order by party"
    assert books.rows(payables) == [("Deutsche Bahn", "2026-11-05"), ("V-1", "2026-12-01")]


def test_the_first_figure_opens_the_wallet(books: Warehouse) -> None:
    # 0.12345678 bitcoins were spent between the two.
    insert = "insert into pleo_balances values " + ", ".join(
        f"('{company}', 'XBT', date '2026-11-{day}', {balance})"
        for company, day, balance in ((COMPANY.upper(), 1, 1), (COMPANY, 30, "0.87654322"))
    )
    checks = (
        "select balance, expected, status from pleo__account_checks where check_name = 'wallet' and currency = 'XBT'"
    )
    assert books.rows("begin transaction", insert, checks) == [(Decimal("0.87654322"),) * 2 + ("ok",)]


def test_tax_that_cannot_be_split_is_listed(books: Warehouse, items: Items) -> None:
    names = {record["accountingEntryId"]: name for name, record in items.items()}
    rows = books.rows("select accounting_entry_id, reason, difference, tax_amount from pleo__vat_exceptions")
    assert {names[entry]: reason for entry, reason, *_ in rows} == EXCEPTIONS
    found = {names[entry]: row for entry, *row in rows}
    assert found["two_cents_off"] == ["amounts_differ", Decimal("-0.02"), Decimal(19)]
    assert found["tax_in_dollars"][2] is None


def test_unbooked_entries_have_a_reason(books: Warehouse, items: Items) -> None:
    rows = dict(books.rows("select accounting_entry_id, reason from pleo__not_booked"))
    wanted = {name: name for name in UNBOOKABLE} | {
        "two_currencies": "currencies_differ",
        "expired": "job_over",
        "failed": "validation_failed",
        "over": "reported_by_another_integration",
        "not_listed": "reported_by_another_integration",
    }
    assert rows == {items[name]["accountingEntryId"]: reason for name, reason in wanted.items()}


def test_signs_are_counted(books: Warehouse) -> None:
    query = "select plus, minus, zero, has_both_signs from pleo__sign_census where type = 'wallet_topup'"
    assert books.rows(query) == [(3, 2, 0, True)]


@pytest.mark.parametrize("model", MODELS)
def test_rows_of_the_world(books: Warehouse, model: str) -> None:
    check_rows(books, "vouchers", model)


def test_bean_check_accepts_every_voucher(books: Warehouse, tmp_path: Path) -> None:
    assert check(ledger(books), tmp_path) == ""


def test_bean_check_refuses_a_changed_voucher(books: Warehouse, tmp_path: Path) -> None:
    text = ledger(books)
    changed = text.replace(" 119.0000", " 119.0001", 1).replace(" 119 ", " 119.01 ", 1)
    assert changed != text
    assert "does not balance" in check(changed, tmp_path)


def test_balances_are_those_of_beancount(books: Warehouse, tmp_path: Path) -> None:
    rows = books.rows(
        "select coalesce(lines.account_code, lines.account_identifier), vouchers.currency, sum(lines.amount) "
        "from pleo__voucher_lines as lines inner join pleo__vouchers as vouchers "
        "on vouchers.voucher_id = lines.voucher_id group by 1, 2"
    )
    text = ledger(books)
    for account, currency, amount in rows:
        text += f"2100-01-01 balance Assets:A{account} {format(amount, 'f')} {currency}\n"
    assert ACCOUNTS["wallet"] in text
    assert check(text, tmp_path) == ""


@pytest.mark.parametrize(("variable", "modes"), [("pleo_vat", {"vat": "code"}), ("pleo_round", {"whole": False})])
def test_other_modes(server: Postgres, tmp_path: Path, items: Items, variable: str, modes: dict[str, Any]) -> None:
    world()[0].into_files(tmp_path)
    made = Warehouse("duckdb", tmp_path, server, "postgres", tmp_path)
    value = "code" if variable == "pleo_vat" else False
    made.build("--exclude-resource-type", "test", "--vars", json.dumps(VARS | {variable: value}))
    with localcontext(Context(prec=60)):
        found = {voucher: sorted(map(comparable, legs)) for voucher, legs in legs_of(made).items()}
    assert found == expected(items, **modes)
