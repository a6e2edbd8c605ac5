"""A warehouse with vouchers made by hand, and the executable."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tap_pleo_export.books.vouchers import Voucher
from tests.conftest import BIN, TIMEOUT
from tests.helpers import voucher_tables
from tests.helpers.made_vouchers import COMPANY
from tools import postgres as pg

CONFIG = """
[datev]
consultant = 29098
client = 55003

[sie]
company_name = "Acme AB"
currency = "EUR"
"""


@dataclass
class FilesRun:
    """Result of the executable; `errors` is its standard error without the run summary."""

    returncode: int
    stdout: str
    errors: str
    counts: dict[str, Any]


@dataclass
class Import:
    """A database, and the directory of the files."""

    server: pg.Postgres
    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "out"

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PLEO_EXPORT_BOOKS_DATABASE_URL": self.server.url()}

    def arguments(self, name: str = "datev", period: str = "2026-11") -> list[str]:
        where = ["--period", period, "--output", str(self.output), "--config", str(self.folder / "files.toml")]
        return ["--format", name, "--company", COMPANY, *where]

    def run(self, *arguments: str, url: str | None = None) -> FilesRun:
        done = subprocess.run(
            [BIN / "pleo-export-files", *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env=self.environment | ({} if url is None else {"PLEO_EXPORT_BOOKS_DATABASE_URL": url}),
        )
        errors, _, metric = done.stderr.partition("METRIC: ")
        return FilesRun(done.returncode, done.stdout, errors, json.loads(metric or "{}").get("tags", {}))

    def write(self, *more: str, name: str = "datev", period: str = "2026-11") -> FilesRun:
        return self.run(*self.arguments(name, period), *more)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.output.iterdir()} if self.output.exists() else {}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.server.connect() as connection:
            connection.execute("set search_path = pleo_models")
            return connection.execute(query).fetchall()

    def execute(self, statements: str) -> None:
        with self.server.connect() as connection:
            connection.execute(statements)

    def forget(self) -> None:
        """Remove all files, in the warehouse and in their directory."""
        self.execute("drop table if exists pleo_models.pleo_import_file_vouchers, pleo_models.pleo_import_files")
        shutil.rmtree(self.output, ignore_errors=True)

    def add(self, *vouchers: Voucher) -> None:
        with self.server.connect() as connection:
            voucher_tables.add(connection, vouchers)


@pytest.fixture(scope="session")
def server() -> Iterator[pg.Postgres]:
    with pg.running() as running:
        yield running


@pytest.fixture
def make_import(server: pg.Postgres, tmp_path: Path) -> Callable[..., Import]:
    """Return a function that makes a warehouse of these vouchers, and forgets the one before."""

    def make(*vouchers: Voucher, config: str = CONFIG) -> Import:
        (tmp_path / "files.toml").write_text(config, encoding="utf-8")
        made = Import(server, tmp_path)
        made.execute("drop schema if exists pleo_models cascade; drop schema if exists answers cascade")
        with server.connect() as connection:
            voucher_tables.create(connection, vouchers)
        return made

    return make
