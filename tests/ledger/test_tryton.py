"""The adapter on a real Tryton: `make test-ledger`."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tools.tryton
from tap_pleo_export.books.vouchers import Party, Voucher
from tap_pleo_export.ledger.adapter import Booked, Ledger, LedgerUnavailable, Refused
from tap_pleo_export.ledger.contract import LedgerContract
from tap_pleo_export.ledger.tryton import Tryton
from tap_pleo_export.ledger.tryton_rpc import TrytonRefusal, TrytonRpc
from tests.helpers.ledger import WORLD, bill, expense, legs, new_entry, payment, reversal, voucher
from tests.helpers.tryton_faults import FAULTS, faulty
from tools import postgres

pytestmark = pytest.mark.ledger


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tools.tryton.Tryton]:
    folder = tmp_path_factory.mktemp("tryton")
    data = folder / "postgres"
    tools.tryton.copy_cluster(data)
    with (
        postgres.running(data) as database,
        tools.tryton.running(database, WORLD, folder=folder) as found,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("PLEO_EXPORT_TRYTON_PASSWORD", found.password)
        yield found


@pytest.fixture
def options(server: tools.tryton.Tryton) -> dict[str, Any]:
    return {"url": server.url, "database": server.database, "user": server.user}


@pytest.fixture
def ledger(options: dict[str, Any], tmp_path: Path) -> Iterator[Tryton]:
    with closing(Tryton("Nordlicht GmbH", tmp_path, **options)) as found:
        yield found


@pytest.fixture
def rpc(ledger: Tryton) -> TrytonRpc:
    return ledger.rpc


class Killed(TrytonRpc):
    """Dies before it sends a method."""

    def __init__(self, alive: TrytonRpc, method: str) -> None:
        self.__dict__ |= vars(alive)
        self.method = method

    def call(self, method: str, *arguments: object, company: int | None = None) -> Any:
        if method.endswith(self.method):
            raise LedgerUnavailable("killed")
        return super().call(method, *arguments, company=company)


def posted(rpc: TrytonRpc, found: Voucher) -> dict[str, Decimal]:
    """The posted balance by account of everything that carries a voucher's key."""
    key = f"pleo:{found.id}"
    conditions = [
        ("move_state", "=", "posted"),
        ["OR", ("move.description", "=", key), ("move.origin.description", "=", key, "account.invoice")],
    ]
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rpc.search("account.move.line", conditions, ["account.code", "debit", "credit"]):
        sums[row["account."]["code"]] += row["debit"] - row["credit"]
    return dict(sums)


def moves(rpc: TrytonRpc, key: str) -> list[int]:
    """Ids of the posted moves under a key, those of invoices included."""
    text = f"pleo:{key}"
    own = ["OR", ("description", "=", text), ("origin.description", "=", text, "account.invoice")]
    return [row["id"] for row in rpc.search("account.move", [("state", "=", "posted"), own], ["id"])]


def expected(found: Voucher) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for leg in found.legs:
        sums[leg.account] = sums.get(leg.account, Decimal(0)) + leg.amount
    return sums


def copies(rpc: TrytonRpc, key: str) -> int:
    return sum(
        len(rpc.search(model, [("description", "=", f"pleo:{key}")], ["id"]))
        for model in ("account.move", "account.invoice")
    )


def invoice(rpc: TrytonRpc, found: Voucher, *fields: str) -> dict[str, Any]:
    (row,) = rpc.search("account.invoice", [("description", "=", f"pleo:{found.id}")], fields)
    return row


def vendor(code: str) -> Party:
    return Party(code=code, name=f"Vendor {code}")


def test_a_bill_becomes_a_supplier_invoice(ledger: Tryton, rpc: TrytonRpc) -> None:
    found = bill(number="RE-1", due_date=date(2026, 4, 3), vendor=vendor("bill"))
    answer = ledger.book(found)
    assert isinstance(answer, Booked)
    assert answer.number.startswith("BILL-2026-")
    fields = "number", "reference", "type", "state", "total_amount", "tax_amount", "invoice_date", "accounting_date"
    row = invoice(rpc, found, *fields, "party.code", "lines_to_pay")
    assert answer.url == f"{rpc.url}/#tryton/model/account.invoice/{row['id']}"
    assert (row["number"], row["reference"], row["type"], row["state"]) == (answer.number, "RE-1", "in", "posted")
    assert (row["total_amount"], row["tax_amount"], row["party."]["code"]) == (Decimal(125), Decimal(25), "bill")
    assert (row["invoice_date"], row["accounting_date"]) == (date(2026, 3, 4), date(2026, 3, 5))
    (line,) = rpc.search("account.move.line", [("id", "in", row["lines_to_pay"])], ["maturity_date"])
    assert line["maturity_date"] == date(2026, 4, 3)
    assert posted(rpc, found) == expected(found)


@pytest.mark.parametrize(
    "found",
    [
        expense(),
        voucher("refund", ("wallet", "1000", "5.00"), ("line", "6000", "-5.00")),
        voucher("advance", ("outOfPocket", "2100", "5.00"), ("wallet", "1000", "-5.00")),
        voucher("transfer", ("wallet", "1000", "500.00"), ("contra", "1100", "-500.00")),
        voucher(
            "credit_note",
            ("accountsPayable", "2000", "30.00"),
            ("line", "6000", "-24.00", "net"),
            ("taxIngoing", "2500", "-6.00", "tax"),
        ),
        voucher(
            "bill",
            ("line", "6000", "80.00", "net"),
            ("taxIngoing", "2500", "20.00", "reverse_in"),
            ("taxOutgoing", "2600", "-20.00", "reverse_out"),
            ("accountsPayable", "2000", "-80.00"),
        ),
        voucher("expense", ("line", "6000", "0.00"), ("line", "6100", "3.00"), ("wallet", "1000", "-3.00")),
    ],
    ids=lambda found: found.document,
)
def test_each_document_is_posted_with_its_legs(ledger: Tryton, rpc: TrytonRpc, found: Voucher) -> None:
    assert isinstance(ledger.book(found), Booked)
    assert posted(rpc, found) == expected(found)


def test_each_company_has_its_own_books(options: dict[str, Any]) -> None:
    with closing(Tryton(2, **options)) as ledger:
        found = bill(currency="DKK")
        assert isinstance(ledger.book(found), Booked)
        assert posted(ledger.rpc, found) == expected(found)


def test_a_bill_on_accounts_that_invoices_cannot_have_becomes_a_move(ledger: Tryton, rpc: TrytonRpc) -> None:
    found = voucher("bill", ("line", "1100", "9.00"), ("accountsPayable", "2000", "-9.00"), due_date=date(2026, 5, 1))
    answer = ledger.book(found)
    assert isinstance(answer, Booked)
    assert answer.number.startswith("JE-2026-")
    assert posted(rpc, found) == expected(found)
    conditions = [("move.description", "=", f"pleo:{found.id}"), ("account.code", "=", "2000")]
    (line,) = rpc.search("account.move.line", conditions, ["maturity_date", "party.code"])
    assert (line["maturity_date"], line["party."]["code"]) == (date(2026, 5, 1), "V-1")


LEDGERS = "accounting_system_validation_failure"
REFUSED = [
    (expense(posting_date=date(2026, 2, 3)), "2026-02-01 to 2026-02-28 of Nordlicht GmbH is closed", LEDGERS),
    (expense(posting_date=date(2031, 2, 3)), "2031-02-03 is in no accounting period", LEDGERS),
    (
        voucher("expense", ("line", "9999", "1"), ("wallet", "1000", "-1")),
        "Account 9999 does not exist in Tryton's company Nordlicht GmbH",
        "account_unknown",
    ),
    (expense("0.005"), "An amount has 3 decimals, EUR has 2", LEDGERS),
    (payment(vendor=Party()), "Account 2000 needs a vendor: choose one in Pleo", "vendor_unknown"),
    (
        voucher("advance", ("outOfPocket", "2100", "5"), ("wallet", "1000", "-5"), employee=Party()),
        "Account 2100 needs an employee",
        "validation_failure",
    ),
    (
        voucher("expense", ("line", "6000", "10.00"), ("wallet", "1000", "-9.99")),
        "Debit and credit differ by 0.01 EUR",
        "unexpected_failure",
    ),
    (
        expense(currency="DKK"),
        "The amounts are in DKK, but Nordlicht GmbH keeps its books in EUR",
        "invalid_configuration",
    ),
    (expense(journal="NOPE"), "Tryton has no journal NOPE", "invalid_configuration"),
    (expense(files=("gone/1.pdf",)), "The stored receipt gone/1.pdf cannot be read", "receipt_upload_failure"),
]


@pytest.mark.parametrize(
    ("found", "reason", "kind"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_refusal_has_a_reason_and_leaves_nothing(
    ledger: Tryton, rpc: TrytonRpc, found: Voucher, reason: str, kind: str
) -> None:
    good = [expense(), expense()]
    answers = {each.id: answer for each, answer in ledger.book_all([good[0], found, good[1]])}
    refused = answers.pop(found.id)
    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert refused.type == kind
    assert copies(rpc, found.id) == 0
    assert ledger.find(found.id) is None
    assert [answer for answer in answers.values() if isinstance(answer, Refused)] == []
    assert [copies(rpc, each.id) for each in good] == [1, 1]


def test_another_invoice_of_the_same_number_is_refused(ledger: Tryton, rpc: TrytonRpc) -> None:
    first, second = (bill(number="RE-77", vendor=vendor("similar")) for _ in range(2))
    answers = [answer for _, answer in ledger.book_all([first, second])]
    assert isinstance(answers[0], Booked)
    assert isinstance(answers[1], Refused)
    assert "Tryton already has an invoice RE-77 of this vendor" in answers[1].reason
    assert [copies(rpc, each.id) for each in (first, second)] == [1, 0]


def test_a_corrected_invoice_replaces_the_reversed_one(ledger: Tryton, rpc: TrytonRpc) -> None:
    first = bill(number="RE-78", vendor=vendor("corrected"))
    back = reversal(first)
    second = bill("250.00", number="RE-78", vendor=vendor("corrected"), entry=first.entry, version=3)
    assert all(isinstance(answer, Booked) for _, answer in ledger.book_all([first, back, second]))
    assert invoice(rpc, first, "state")["state"] == "cancelled"
    assert invoice(rpc, second, "state", "amount_to_pay") | {"id": 0} == {
        "id": 0,
        "state": "posted",
        "amount_to_pay": Decimal(250),
    }
    assert posted(rpc, back) == expected(back)
    (row,) = rpc.search("account.move", [("description", "=", f"pleo:{back.id}")], ["origin"])
    assert row["origin"] == f"account.move,{invoice(rpc, first, 'move')['move']}"


def test_a_reversal_of_an_unknown_voucher_is_refused(ledger: Tryton) -> None:
    refused = ledger.book(reversal(bill()))
    assert isinstance(refused, Refused)
    assert "is not in Tryton" in refused.reason


def test_payments_clear_the_oldest_bill_of_their_amount(ledger: Tryton, rpc: TrytonRpc) -> None:
    old, new, other = (
        bill(amount, vendor=vendor("paid"), posting_date=date(2026, 3, day))
        for amount, day in (("60", 5), ("60", 6), ("70", 4))
    )
    assert all(
        isinstance(answer, Booked)
        for _, answer in ledger.book_all([new, old, other, payment("60", vendor=vendor("paid"))])
    )
    states = [invoice(rpc, each, "state")["state"] for each in (old, new, other)]
    assert states == ["paid", "posted", "posted"]
    for part in ("100", "30"):
        ledger.book(payment(part, vendor=vendor("paid")))
    assert [invoice(rpc, each, "state")["state"] for each in (old, new, other)] == ["paid", "paid", "paid"]


def test_a_payment_that_came_first_clears_its_bill(ledger: Tryton, rpc: TrytonRpc) -> None:
    paid, owed = payment("45", vendor=vendor("early")), bill("45", vendor=vendor("early"))
    assert isinstance(ledger.book(paid), Booked)
    assert isinstance(ledger.book(owed), Booked)
    assert invoice(rpc, owed, "state")["state"] == "paid"


def test_a_purchase_clears_the_bill_of_its_entry(ledger: Tryton, rpc: TrytonRpc) -> None:
    entry = new_entry()
    other, own = bill(vendor=vendor("own")), bill(vendor=vendor("own"), entry=entry)
    list(ledger.book_all([other, own, payment(vendor=vendor("own"), entry=entry)]))
    assert [invoice(rpc, each, "state")["state"] for each in (other, own)] == ["posted", "paid"]


def test_a_paid_bill_and_its_payment_are_reversed(ledger: Tryton, rpc: TrytonRpc) -> None:
    entry = new_entry()
    first, paid = bill(vendor=vendor("undone"), entry=entry), payment(vendor=vendor("undone"), entry=entry)
    list(ledger.book_all([first, paid]))
    assert all(isinstance(answer, Booked) for _, answer in ledger.book_all([reversal(first), reversal(paid)]))
    conditions = [("party.code", "=", "undone"), ("reconciliation", "=", None)]
    assert rpc.search("account.move.line", conditions, ["id"]) == []


def test_receipts_are_attached_byte_by_byte(ledger: Tryton, rpc: TrytonRpc, tmp_path: Path) -> None:
    (tmp_path / "entry").mkdir()
    contents = {f"{number}.pdf": bytes(range(256)) * number for number in (1, 2)}
    for name, content in contents.items():
        (tmp_path / "entry" / name).write_bytes(content)
    found = bill(files=tuple(f"entry/{name}" for name in contents), vendor=vendor("receipts"))
    ledger.book(found)
    record = f"account.invoice,{invoice(rpc, found)['id']}"
    rows = rpc.search("ir.attachment", [("resource", "=", record)], ["name", "data"])
    assert {row["name"]: hashlib.sha256(row["data"]).digest() for row in rows} == {
        name: hashlib.sha256(content).digest() for name, content in contents.items()
    }


def test_a_receipt_outside_the_folder_is_not_read(ledger: Tryton) -> None:
    assert isinstance(ledger.book(expense(files=("../../../etc/hostname",))), Refused)


@pytest.mark.parametrize("make", [bill, expense])
@pytest.mark.parametrize("killed_before", ["ir.attachment.create", ".post"])
def test_a_killed_run_is_finished_by_the_next(
    ledger: Tryton, rpc: TrytonRpc, tmp_path: Path, make: Any, killed_before: str
) -> None:
    (tmp_path / "1.pdf").write_bytes(b"%PDF-")
    found = [make(files=("1.pdf",), number=f"{killed_before}-{index}") for index in range(3)]

    alive, ledger.rpc = ledger.rpc, Killed(ledger.rpc, killed_before)
    with pytest.raises(LedgerUnavailable):
        list(ledger.book_all(found))
    ledger.rpc = alive
    assert ledger.find_all([each.id for each in found]) == {}
    answers = {each.id: answer for each, answer in ledger.book_all(found)}
    assert [answer for answer in answers.values() if isinstance(answer, Refused)] == []
    assert ledger.find_all([each.id for each in found]) == answers
    for each in found:
        assert copies(rpc, each.id) == 1
        records = [
            f"{model},{row['id']}"
            for model in ("account.move", "account.invoice")
            for row in rpc.search(model, [("description", "=", f"pleo:{each.id}")], ["id"])
        ]
        assert len(rpc.search("ir.attachment", [("resource", "in", records)], ["id"])) == 1


def test_a_run_killed_before_it_cleared_is_finished_by_the_next(
    ledger: Tryton, rpc: TrytonRpc, options: dict[str, Any]
) -> None:
    entry = new_entry()
    found = bill(vendor=vendor("uncleared"), entry=entry), payment(vendor=vendor("uncleared"), entry=entry)

    dying = Tryton("Nordlicht GmbH", **options)
    dying._settlement._rpc = Killed(rpc, "reconciliation.create")
    with pytest.raises(LedgerUnavailable):
        list(dying.book_all(found))
    assert invoice(rpc, found[0], "state")["state"] == "posted"
    ledger.book(expense())
    assert invoice(rpc, found[0], "state")["state"] == "paid"


@pytest.mark.parametrize("refused", ["account.move.post", "account.invoice.post"])
def test_a_batch_that_is_refused_halfway_is_booked_one_by_one(
    ledger: Tryton, rpc: TrytonRpc, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [make(vendor=vendor(refused), number=f"{refused}-{place}") for place in (1, 2) for make in (bill, expense)]

    class Refusing(TrytonRpc):
        def __init__(self) -> None:
            self.__dict__ |= vars(rpc)

        def call(self, method: str, *arguments: Any, company: int | None = None) -> Any:
            if method.endswith(refused) and len(arguments[0]) > 1:
                raise TrytonRefusal("not both")
            return super().call(method, *arguments, company=company)

    monkeypatch.setattr(ledger, "rpc", Refusing())
    answers = {each.id: answer for each, answer in ledger.book_all(found)}
    assert [answer for answer in answers.values() if isinstance(answer, Refused)] == []
    assert ledger.find_all(list(answers)) == answers
    assert [copies(rpc, each.id) for each in found] == [1, 1, 1, 1]
    assert [posted(rpc, each) for each in found] == [expected(each) for each in found]


def test_a_posted_voucher_is_not_posted_twice(ledger: Tryton, rpc: TrytonRpc) -> None:
    found = expense()
    first = ledger.book(found)
    assert ledger.book(found) == first
    assert copies(rpc, found.id) == 1


def test_vendors_are_found_by_code_and_by_name(ledger: Tryton, rpc: TrytonRpc, options: dict[str, Any]) -> None:
    names = Party(name="Only  a name", tax_identifier="DK1"), Party(name="Only a name", tax_identifier="DK1")
    for party in names:
        assert isinstance(ledger.book(payment(vendor=party)), Booked)
    assert len(rpc.search("party.party", [("name", "=", "Only a name")], ["id"])) == 1
    assert isinstance(ledger.book(payment(vendor=Party(name="Only a name", tax_identifier="DK2"))), Booked)
    assert len(rpc.search("party.party", [("name", "=", "Only a name")], ["id"])) == 2
    refused = Tryton("Nordlicht GmbH", **options).book(payment(vendor=Party(name="Only a name")))
    assert isinstance(refused, Refused)
    assert "2 parties named Only a name" in refused.reason


def test_a_vendor_and_an_employee_of_one_code_are_two_parties(ledger: Tryton, rpc: TrytonRpc) -> None:
    party = Party(code="9", name="Nine")
    for found in (
        payment(vendor=party),
        voucher("advance", ("outOfPocket", "2100", "5"), ("wallet", "1000", "-5"), employee=party),
    ):
        assert isinstance(ledger.book(found), Booked)
    assert {row["code"] for row in rpc.search("party.party", [("name", "=", "Nine")], ["code"])} == {"9", "EMP-9"}


def test_texts_that_tryton_does_not_take_are_cleaned(ledger: Tryton, rpc: TrytonRpc) -> None:
    found = bill(text="a\nb\0c\t'd' \N{PILE OF POO}", number="N\n1\0", vendor=Party(code="x\n1", name="y\0z"))
    assert isinstance(ledger.book(found), Booked)
    assert invoice(rpc, found, "reference")["reference"] == "N 1"


@pytest.mark.parametrize(
    ("company", "changes", "message"),
    [
        (
            "Nordlicht GmbH",
            {"user": "stranger"},
            r"refused the login of stranger \(401\): check user and PLEO_",
        ),
        ("Elsewhere", {}, "Tryton has no companies 'Elsewhere'"),
        ("Nordlicht GmbH", {"database": "none"}, "check url and database"),
        (
            "Nordlicht GmbH",
            {"url": "http://127.0.0.1:9"},
            r"127.0.0.1:9 does not answer \(ConnectionError\)",
        ),
    ],
)
def test_failed_login_is_one_line(options: dict[str, Any], company: str, changes: dict[str, str], message: str) -> None:
    with pytest.raises(LedgerUnavailable, match=message):
        Tryton(company, **(options | changes))


def test_options_are_checked(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="unknown options colour: remove them"):
        Tryton("Nordlicht GmbH", **options, colour="blue")
    monkeypatch.delenv("PLEO_EXPORT_TRYTON_PASSWORD")
    with pytest.raises(ValueError, match="PLEO_EXPORT_TRYTON_PASSWORD is not set"):
        Tryton("Nordlicht GmbH", **options)


def test_a_session_that_ended_is_renewed(ledger: Tryton, rpc: TrytonRpc) -> None:
    rpc._token = "cGxlbzoxOng="
    assert isinstance(
        ledger.book(dataclasses.replace(expense(), legs=legs(("line", "6000", "1"), ("wallet", "1000", "-1")))), Booked
    )


class TestContract(LedgerContract):
    expenses, payable, wallet, unknown_account = "6000", "2000", "1000", "no-such-account"
    closed_day = date(2026, 2, 5)

    @pytest.fixture(autouse=True)
    def _server(self, options: dict[str, Any]) -> None:
        self.options = options

    def open(self) -> Tryton:
        return Tryton("Nordlicht GmbH", self.receipts, **self.options)

    def posted(self, key: str) -> list[dict[str, Decimal]]:
        rpc = self.open().rpc
        found = []
        for move in moves(rpc, key):
            sums: defaultdict[str, Decimal] = defaultdict(Decimal)
            for row in rpc.search("account.move.line", [("move", "=", move)], ["account.code", "debit", "credit"]):
                sums[row["account."]["code"]] += row["debit"] - row["credit"]
            found.append({account: amount for account, amount in sums.items() if amount})
        return found

    def attached(self, key: str) -> list[bytes]:
        rpc = self.open().rpc
        return [
            row["data"]
            for model in ("account.move", "account.invoice")
            for record in rpc.search(model, [("description", "=", f"pleo:{key}")], ["id"])
            for row in rpc.search("ir.attachment", [("resource", "=", f"{model},{record['id']}")], ["data"])
        ]

    @contextmanager
    def dying(self, ledger: Ledger) -> Iterator[None]:
        assert isinstance(ledger, Tryton)
        alive, ledger.rpc = ledger.rpc, Killed(ledger.rpc, "post")
        with suppress(LedgerUnavailable):
            yield
        ledger.rpc = alive

    def faults(self, ledger: Ledger) -> Iterator[tuple[str, AbstractContextManager[object]]]:
        assert isinstance(ledger, Tryton)
        for name in FAULTS:
            yield name, faulty(ledger.rpc, name)
