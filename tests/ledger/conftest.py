"""The models' tables, made by hand in a real PostgreSQL, and `pleo-export-book` as a process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tap_pleo_export.books.database import URL_VARIABLE
from tests.conftest import BIN, CHECKOUT, TIMEOUT
from tests.ledger import reference
from tools import postgres as pg

COMPANY, OTHER = "12abc3d4-e567-890e-1234-abc56e78fabc", "59540ed2-0d68-4e36-9e31-58223975d9e9"
TABLES = (Path(__file__).parent / "tables.sql").read_text("utf-8")
LEG = {"role": "line", "account_code": "6100", "amount": "12.34"}
CREDIT = {"role": "wallet", "account_code": "1240", "amount": "-12.34"}


@dataclass
class Books:
    """A database with the models' tables, a ledger in a file, and the configuration of the command.

    Attributes:
        server: PostgreSQL.
        database: Name of the database.
        folder: Of configuration, receipts and ledger.
    """

    server: pg.Postgres
    database: str
    folder: Path
    companies: dict[str, str] = field(default_factory=lambda: {COMPANY: "Nordlys", OTHER: "Subsidiary"})

    @property
    def ledger(self) -> Path:
        return self.folder / "books.sqlite"

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.server.connect(self.database) as connection:
            connection.execute("set search_path = pleo_models")
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def add(self, entry: str, document: str = "expense", version: int = 1, **members: Any) -> str:
        """Add a voucher with its legs; return its id."""
        key = f"{entry}/{document}/{version}"
        legs = members.pop("legs", [LEG, CREDIT])
        voucher = {
            "voucher_id": key, "kind": "booking", "version": version, "accounting_entry_id": entry, "job_id": "job",
            "company_id": COMPANY, "document": document, "voucher_date": "2026-11-05", "posting_date": "2026-11-05",
            "currency": "EUR", "amount": 12.34, "publication": 1, "files": "[]",
        } | members  # fmt: skip
        self._insert("pleo__vouchers", voucher)
        for number, leg in enumerate(legs, start=1):
            self._insert("pleo__voucher_lines", {"voucher_id": key, "line_number": number, **leg})
        return key

    def _insert(self, table: str, members: dict[str, Any]) -> None:
        names, marks = ", ".join(members), ", ".join(["%s"] * len(members))
        self.rows(f"insert into {table} ({names}) values ({marks})", *members.values())  # noqa: S608 - constants

    def configure(self, *lines: str, adapter: str = "tests.ledger.reference:Reference") -> Path:
        path = self.folder / "books.toml"
        companies = [f'"{company}" = "{name}"' for company, name in self.companies.items()]
        options = [f'file = "{self.ledger}"']
        path.write_text("\n".join([f'adapter = "{adapter}"', *lines, "[companies]", *companies, "[options]", *options]))
        return path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        if not (self.folder / "books.toml").exists():
            self.configure()
        url = {URL_VARIABLE: self.server.url(self.database), "PYTHONPATH": str(CHECKOUT)}
        return subprocess.Popen(
            [BIN / "pleo-export-book", "--config", self.folder / "books.toml", *arguments],
            env=os.environ | url | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def book(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=TIMEOUT)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def recorded(self) -> dict[str, str]:
        return dict(self.rows("select voucher_id, external_id from pleo_recorded"))

    def refused(self) -> dict[str, tuple[str, str]]:
        query = "select voucher_id, failure_reason_type, failure_reason from pleo_refused"
        return {key: (kind, reason) for key, kind, reason in self.rows(query)}

    def posted(self, key: str) -> list[dict[str, Any]]:
        """Return the ledger's own vouchers of a key."""
        return reference.posted(self.ledger, key)


@pytest.fixture(scope="session")
def server() -> Iterator[pg.Postgres]:
    with pg.running() as running:
        yield running


@pytest.fixture
def books(server: pg.Postgres, tmp_path: Path) -> Books:
    database = f"books_{os.urandom(4).hex()}"
    server.create_database(database)
    made = Books(server, database, tmp_path)
    made.rows(TABLES)
    return made
