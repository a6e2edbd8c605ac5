"""A strict accounting system in an SQLite file, to test the contract and the command with. Nothing books real money."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from tap_pleo_export.books.vouchers import Leg, Voucher
from tap_pleo_export.ledger.adapter import Booked, Ledger, LedgerUnavailable, Refused

ACCOUNTS = frozenset(("6100", "2440", "1240", "2890", "1910"))
CLOSED_UNTIL = "2026-10-31"
DECIMALS = {"EUR": 2, "JPY": 0}
TABLES = """
    create table if not exists moves (id integer primary key, key text, company text, number text);
    create table if not exists lines (move integer, account text, amount text);
    create table if not exists files (move integer, name text, content blob, unique (move, name));
"""
KILL_FILE = "REFERENCE_KILL_FILE"
"""Environment variable: a file with the number of steps after which a process kills itself."""


class Crash(BaseException):
    """The process dies here."""


class Reference(Ledger):
    """Creates a draft, attaches, posts: a transaction each, so a process can die between any two."""

    skips = ""

    def __init__(self, company: str | int, receipts: Path | None = None, *, file: str) -> None:
        super().__init__(company, receipts)
        self.file = file
        self.dies = False
        self.down = False
        self._connection = sqlite3.connect(file, isolation_level=None, timeout=30)
        self._connection.execute("pragma synchronous = off")
        self._connection.executescript(TABLES)

    def find(self, key: str) -> Booked | None:
        rows = self.run("select number from moves where key = ? and number is not null", key)
        return Booked(rows[0][0], f"https://erp.example/{rows[0][0]}") if rows else None

    def book(self, voucher: Voucher) -> Booked | Refused:
        if found := self.find(voucher.id):
            return found
        if reason := self.objection(voucher):
            return Refused(reason)
        move = self.draft(voucher)
        step()
        self.attach(move, voucher)
        if self.dies:
            raise Crash
        step()
        return self.post(move, voucher)

    def draft(self, voucher: Voucher) -> int:
        if drafts := self.run("select id from moves where key = ? and number is null", voucher.id):
            return int(drafts[0][0])
        return self.create(voucher)

    def create(self, voucher: Voucher) -> int:
        self.run("begin immediate")
        move = self.run("insert into moves (key, company) values (?, ?) returning id", voucher.id, str(self.company))
        for leg in self.legs(voucher):
            self.run("insert into lines values (?, ?, ?)", move[0][0], leg.account, str(leg.amount))
        self.run("commit")
        return int(move[0][0])

    def legs(self, voucher: Voucher) -> Iterable[Leg]:
        return voucher.legs

    def attach(self, move: int, voucher: Voucher) -> None:
        for path in self.files_of(voucher):
            self.run("insert or ignore into files values (?, ?, ?)", move, path.name, path.read_bytes())

    def post(self, move: int, voucher: Voucher) -> Booked | Refused:
        self.run("update moves set number = 'JE-' || id where id = ?", move)
        step()
        return self.find(voucher.id) or Refused("It vanished")

    def objection(self, voucher: Voucher) -> str | None:
        checks = (self.balance, self.period, self.accounts, self.parties, self.fractions)
        kept = (check for check in checks if check.__name__ != self.skips)
        return next((reason for check in kept if (reason := check(voucher))), None)

    def balance(self, voucher: Voucher) -> str | None:
        return "Debits and credits differ" if sum(leg.amount for leg in voucher.legs) else None

    def period(self, voucher: Voucher) -> str | None:
        day = voucher.posting_date
        return f"Period {day:%Y-%m} is closed" if day.isoformat() <= CLOSED_UNTIL else None

    def accounts(self, voucher: Voucher) -> str | None:
        unknown = [leg.account for leg in voucher.legs if leg.account not in ACCOUNTS]
        return f"Account {unknown[0]} is unknown" if unknown else None

    def parties(self, voucher: Voucher) -> str | None:
        needing = [leg for leg in voucher.legs if leg.role in {"accountsPayable", "outOfPocket"}]
        return "A payable leg has no vendor or employee" if any(not voucher.party(leg) for leg in needing) else None

    def fractions(self, voucher: Voucher) -> str | None:
        too_many = voucher.decimals > DECIMALS.get(voucher.currency, 2)
        return f"{voucher.currency} has no such fractions" if too_many else None

    def run(self, query: str, *values: object) -> list[tuple[str, ...]]:
        if self.down:
            raise LedgerUnavailable("The books are closed for maintenance: run again later")
        return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        self._connection.close()


def step() -> None:
    """Count a step, and kill the process at the one that its file says."""
    if name := os.environ.get(KILL_FILE):
        path = Path(name)
        left = int(path.read_text() or 0) - 1
        path.write_text(str(left))
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def posted(file: Path | str, key: str) -> list[dict[str, Decimal]]:
    """Return the balances of every posted move of a key, as the books themselves have them."""
    found = []
    with closing(sqlite3.connect(file)) as connection:
        for (move,) in connection.execute(
            "select id from moves where key = ? and number is not null", (key,)
        ).fetchall():
            sums: dict[str, Decimal] = {}
            for account, amount in connection.execute("select account, amount from lines where move = ?", (move,)):
                sums[account] = sums.get(account, Decimal(0)) + Decimal(amount)
            found.append({account: amount for account, amount in sums.items() if amount})
    return found


def attached(file: Path | str, key: str) -> list[bytes]:
    """Return the contents of the files of a key's posted moves."""
    with closing(sqlite3.connect(file)) as connection:
        query = "select content from files join moves on id = move where key = ? and number is not null"
        return [content for (content,) in connection.execute(query, (key,))]


class BooksAnything(Reference):
    """Has no objections."""

    def objection(self, voucher: Voucher) -> str | None:
        return voucher.id and None


class SignalsItself(Reference):
    """Sends a signal to its process while it books."""

    def post(self, move: int, voucher: Voucher) -> Booked | Refused:
        os.kill(os.getpid(), int(os.environ["REFERENCE_SIGNAL"]))
        return super().post(move, voucher)


class DownAtTheSecond(Reference):
    """Has an outage after the first voucher."""

    def post(self, move: int, voucher: Voucher) -> Booked | Refused:
        answer = super().post(move, voucher)
        self.down = True
        return answer


class BreaksAtTheSecond(Reference):
    """Raises an unexpected error at the second voucher."""

    def create(self, voucher: Voucher) -> int:
        if self.run("select 1 from moves"):
            raise KeyError(voucher.id)
        return super().create(voucher)
