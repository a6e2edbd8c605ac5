"""The parts of the adapter that need no Tryton: batches, clearing, and answers of a server that is busy or broken."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tap_pleo_export.ledger.adapter import LedgerUnavailable
from tap_pleo_export.ledger.tryton import BATCH, batches
from tap_pleo_export.ledger.tryton_rpc import TrytonRefusal, TrytonRpc
from tap_pleo_export.ledger.tryton_settlement import OpenItem, matches
from tests.helpers.ledger import bill, expense, payment, reversal
from tests.helpers.tryton_faults import answering


def item(number: int, amount: str, document: str = "bill", entry: str = "", origin: str = "") -> OpenItem:
    day = date(2026, 3, number)
    return OpenItem(number, (1, 1), Decimal(amount), day, entry or f"entry-{number}", document, number, origin)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([item(1, "-10"), item(2, "-10"), item(3, "10", "payment")], [{1, 3}]),
        ([item(1, "-10"), item(2, "-10", entry="e"), item(3, "10", "payment", "e")], [{2, 3}]),
        ([item(1, "-10"), item(2, "-20"), item(3, "11", "payment")], []),
        ([item(1, "-10"), item(2, "-20"), item(3, "11", "payment"), item(4, "19", "payment")], [{1, 2, 3, 4}]),
        ([item(1, "-10"), item(2, "10", origin="account.move,1")], [{1, 2}]),
        ([item(1, "10", "credit_note"), item(2, "-10"), item(3, "-10", "payment_returned")], [{1, 3}]),
        ([item(1, "-10"), item(2, "0", "payment")], []),
        ([item(1, "-10")], []),
        ([], []),
    ],
)
def test_open_items_clear_each_other(items: list[OpenItem], expected: list[set[int]]) -> None:
    found = list(matches(items))
    assert [{each.id for each in match} for match in found] == expected
    assert all(sum(each.amount for each in match) == 0 for match in found)


def test_what_depends_on_another_voucher_comes_in_a_later_batch() -> None:
    first, paid, back = bill(number="1"), payment(number="1"), bill(number="2")
    again = bill(number="1")
    vouchers = [first, paid, back, reversal(back), again]
    found = list(batches(vouchers))
    assert [each for batch in found for each in batch] == vouchers
    assert [len(batch) for batch in found] == [3, 2]
    assert [len(batch) for batch in batches([first, again])] == [1, 1]
    assert [len(batch) for batch in batches([expense()] * (BATCH + 1))] == [BATCH, 1]
    assert [len(batch) for batch in batches([first, dataclasses.replace(again, vendor=again.employee)])] == [2]


LOGIN = (200, json.dumps({"id": 1, "result": [1, "token", None]}))
REFUSED = {"error": ["UserError", ["No\nway.", "Really.", None]]}
LOCKED = {"error": ['could not obtain lock on row in relation "ir_sequence_strict"', ""]}
DONE = (200, json.dumps({"id": 1, "result": {"__class__": "Decimal", "decimal": "1.10"}}))


@contextmanager
def client(*answers: tuple[int, str]) -> Iterator[TrytonRpc]:
    with answering([LOGIN, *answers]) as port:
        rpc = TrytonRpc(f"http://127.0.0.1:{port}/", "books", "pleo", "secret", timeout=5)
        yield rpc
        rpc.close()


@pytest.mark.parametrize("busy", [(503, "busy"), (429, ""), (200, json.dumps(LOCKED))])
def test_a_busy_server_is_asked_again(busy: tuple[int, str]) -> None:
    with client(busy, busy, DONE) as rpc:
        assert rpc.call("model.account.move.post", [1]) == Decimal("1.10")


def test_an_ended_session_is_renewed() -> None:
    with client((401, ""), LOGIN, DONE) as rpc:
        assert rpc.call("model.account.move.post", [1]) == Decimal("1.10")


def test_a_refusal_has_tryton_s_words_on_one_line() -> None:
    with client((200, json.dumps(REFUSED))) as rpc, pytest.raises(TrytonRefusal) as caught:
        rpc.call("model.account.move.post", [1])
    assert "No" in str(caught.value)
    assert str(caught.value).endswith("way. Really.")
    assert len(str(caught.value).splitlines()) == 1


def test_an_error_inside_tryton_is_not_a_rule_of_tryton() -> None:
    with client((200, json.dumps({"error": ["KeyError", ""]}))) as rpc, pytest.raises(TrytonRefusal) as caught:
        rpc.call("model.account.move.post", [1])
    assert (str(caught.value), caught.value.kind) == ("Tryton failed: KeyError", "")


@pytest.mark.parametrize("broken", [(200, "<html>"), (200, "[]"), (200, "{}"), (500, ""), (302, ""), (404, "{}")])
def test_a_broken_answer_ends_the_run(broken: tuple[int, str]) -> None:
    with client(broken) as rpc, pytest.raises(LedgerUnavailable, match="instead of a result: check url") as caught:
        rpc.call("model.account.move.create", [{"x": Decimal(1), "y": date(2026, 1, 2), "z": b"1"}])
    assert not isinstance(caught.value, TrytonRefusal)


def test_values_go_as_tryton_writes_them() -> None:
    sent: list[Any] = []
    with answering([LOGIN, DONE], sent) as port:
        rpc = TrytonRpc(f"http://127.0.0.1:{port}", "books", "pleo", "secret")
        rpc.call("model.x.create", [Decimal("1.10"), date(2026, 1, 2), b"a"], company=7)
        rpc.close()
    assert sent[0]["params"] == ["pleo", {"password": "secret"}, None]
    assert sent[1]["params"] == [
        [
            {"__class__": "Decimal", "decimal": "1.10"},
            {"__class__": "date", "year": 2026, "month": 1, "day": 2},
            {"__class__": "bytes", "base64": "YQ=="},
        ],
        {"company": 7},
    ]
