"""demo/ledger.sql, the quick accounting system of `make demo`, refuses the same vouchers as a real one."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from demo.books import LEDGER
from tests.ledger.conftest import CREDIT, LEG, Books

PAYABLE = LEG | {"role": "accountsPayable", "account_code": "2440"}
OWED = LEG | {"role": "outOfPocket", "account_code": "2890"}
CURRENCIES = (
    "create table int_pleo__currencies as select * from (values ('EUR', 0.01), ('JPY', 1)) as currencies (code, unit)"
)


def book(books: Books) -> None:
    with books.server.connect(books.database) as connection:
        connection.execute(LEDGER.read_text("utf-8"))


@pytest.fixture
def quick(books: Books) -> Books:
    books.rows(CURRENCIES)
    book(books)
    return books


def test_vouchers_are_booked_once(quick: Books) -> None:
    keys = [
        quick.add("e1"),
        quick.add("e2", legs=[PAYABLE, CREDIT], vendor_name="Nordlys"),
        quick.add("e3", legs=[OWED, CREDIT], user_code="17"),
        quick.add("e4", currency="JPY", legs=[LEG | {"amount": "12"}, CREDIT | {"amount": "-12"}]),
    ]

    book(quick)
    book(quick)

    assert list(quick.recorded().items()) == [(key, f"JE-0000{number}") for number, key in enumerate(keys, start=1)]
    assert quick.rows("select count(*) from books.ledger") == [(8,)]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"legs": [LEG | {"amount": "19.9995"}, CREDIT | {"amount": "-19.9995"}]}, "no_fractions"),
        ({"currency": "JPY"}, "no_fractions"),
        ({"legs": [PAYABLE, CREDIT], "user_code": "17"}, "payables_have_a_party"),
        ({"legs": [OWED, CREDIT], "vendor_code": "V-1"}, "payables_have_a_party"),
        ({"posting_date": "2026-10-31"}, "the period of 2026-10-31 is closed"),
        ({"legs": [LEG, CREDIT | {"amount": "-12.33"}]}, "debits and credits of a voucher differ"),
        ({"legs": []}, "a voucher has no lines"),
        ({"legs": [LEG | {"account_code": None}, CREDIT]}, '"account"'),
    ],
)
def test_nothing_is_booked_if_a_voucher_cannot_be(quick: Books, members: dict[str, Any], problem: str) -> None:
    quick.add("e1")
    quick.add("e2", **members)
    quick.rows("insert into books.closed_periods select company_id, '2026-10-31' from pleo__vouchers limit 1")

    with pytest.raises(psycopg.Error, match=problem):
        book(quick)

    assert (quick.recorded(), quick.rows("select * from books.vouchers")) == ({}, [])
