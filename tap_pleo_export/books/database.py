"""The models' vouchers in PostgreSQL, and the tables through which an accounting system answers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tap_pleo_export.books.vouchers import Leg, Party, Voucher
from tap_pleo_export.singer.redaction import SECRETS

URL_VARIABLE = "PLEO_EXPORT_BOOKS_DATABASE_URL"
_DRIVER = re.compile(r"^postgres(ql)?(\+\w+)?://")
MAX_REASON = 500
"""Characters of a refusal that people see in Pleo."""
_BATCH = 500
# Settlements follow bookings; versions of an entry follow each other, whichever day they are posted on.
_WAITING = """
    select voucher_id from {schema}.pleo__vouchers_to_book where company_id = %s
    order by
        publication, document in ('payment', 'payment_returned', 'reimbursement', 'reimbursement_returned'),
        version, posting_date, accounting_entry_id, document
"""
_VOUCHERS = """
    select v.*, (
        select json_agg(json_build_object(
            'number', l.line_number, 'role', l.role, 'account', coalesce(l.account_code, l.account_identifier),
            'account_name', l.account_name, 'amount', l.amount::text, 'tax_code', l.tax_code,
            'tax_rate', l.tax_rate::text, 'tax_amount', l.tax_amount::text, 'vat', l.vat, 'tags', l.tags
        ) order by l.line_number)
        from {schema}.pleo__voucher_lines as l where l.voucher_id = v.voucher_id
    ) as lines
    from {schema}.pleo__vouchers as v where v.voucher_id = any(%s)
"""
_IN_FILES = """
    select voucher_id from {files} where voucher_id in (select voucher_id from {schema}.pleo__vouchers_to_book)
"""
_RECORD = """
    with no_longer_refused as (delete from {answers}.pleo_refused where voucher_id = %s)
    insert into {answers}.pleo_recorded (voucher_id, external_id, external_url, recorded_at)
    values (%s, %s, %s, now()) on conflict (voucher_id) do nothing
"""
_REFUSE = """
    insert into {answers}.pleo_refused (voucher_id, failure_reason_type, failure_reason, refused_at)
    values (%s, %s, %s, now())
    on conflict (voucher_id) do update set
        failure_reason_type = excluded.failure_reason_type, failure_reason = excluded.failure_reason,
        refused_at = excluded.refused_at
"""


class BooksError(Exception):
    """The warehouse cannot be used; the message is one line with the remedy."""


def database_url() -> str:
    """Return the address of the models' database from the environment; its password is masked from now on.

    Raises:
        BooksError: It is not set.
    """
    url = os.environ.get(URL_VARIABLE)
    if not url:
        raise BooksError(f"{URL_VARIABLE} is not set: set it to the models' database, postgresql://…")
    SECRETS.learn([urlsplit(url).password or ""])
    return url


class Books:
    """A connection to the models' schema. Each statement is committed at once."""

    def __init__(self, url: str, schema: str = "pleo_models", answers: str = "") -> None:
        """Connect.

        Args:
            url: Of the database: `postgresql://…`, also in SQLAlchemy's form `postgresql+psycopg://…`.
            schema: Schema of the models.
            answers: Schema of `pleo_recorded` and `pleo_refused`; by default that of the models.

        Raises:
            BooksError: The database cannot be reached, or the models are missing.
        """
        answers = answers or schema
        self._files = sql.Identifier(answers, "pleo_import_file_vouchers")
        self._names = {"schema": sql.Identifier(schema), "answers": sql.Identifier(answers), "files": self._files}
        try:
            self._connection = psycopg.connect(_DRIVER.sub("postgresql://", url), autocommit=True, row_factory=dict_row)
        except psycopg.Error as error:
            raise BooksError(f"the database of {URL_VARIABLE} cannot be reached: {_first_line(error)}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    @contextmanager
    def lock(self, company: str) -> Iterator[bool]:
        """Yield whether this process is the only one that books a company; PostgreSQL frees the lock of a dead one."""
        key = f"pleo-export-book {company}"
        row = self._run("select pg_try_advisory_lock(hashtextextended(%s, 0)) as is_ours", key)[0]
        try:
            yield row["is_ours"]
        finally:
            if row["is_ours"] and not self._connection.closed:
                self._run("select pg_advisory_unlock(hashtextextended(%s, 0))", key)

    def companies(self) -> list[str]:
        """Return the companies with vouchers to book."""
        rows = self._run("select distinct company_id from {schema}.pleo__vouchers_to_book order by 1")
        return [row["company_id"] for row in rows]

    def waiting(self, company: str) -> Iterator[Voucher]:
        """Yield the vouchers of a company that are to be booked and in no import file, settlements last."""
        in_files = self._in_files()
        ids = [row["voucher_id"] for row in self._run(_WAITING, company) if row["voucher_id"] not in in_files]
        for start in range(0, len(ids), _BATCH):
            yield from self.vouchers(ids[start : start + _BATCH])

    def _in_files(self) -> set[str]:
        # `pleo-export-files` makes the table.
        if not self._run("select to_regclass(%s) as found", self._files.as_string(self._connection))[0]["found"]:
            return set()
        return {row["voucher_id"] for row in self._run(_IN_FILES)}

    def vouchers(self, ids: Sequence[str]) -> list[Voucher]:
        """Return vouchers by id, in the given order; unknown ids are left out."""
        found = {row["voucher_id"]: _voucher(row) for row in self._run(_VOUCHERS, list(ids))}
        return [found[voucher_id] for voucher_id in ids if voucher_id in found]

    def record(self, voucher_id: str, external_id: str, external_url: str | None = None) -> None:
        """Record that a voucher is booked."""
        self._run(_RECORD, voucher_id, voucher_id, external_id, external_url)

    def refuse(self, voucher_id: str, failure_reason_type: str, failure_reason: str) -> None:
        """Record that the accounting system refused a voucher: Pleo's failure reason type, and the reason."""
        self._run(_REFUSE, voucher_id, failure_reason_type, failure_reason)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the statements of the block together, or none of them."""
        try:
            with self._connection.transaction():
                yield
        except psycopg.Error as error:
            raise BooksError(f"the warehouse did not commit, run again: {_first_line(error)}") from None

    def run(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Run a statement, in which `{schema}` and `{answers}` are the schemas, and return its rows."""
        return self._run(query, *values)

    def _run(self, query: str, *values: object) -> list[dict[str, Any]]:
        try:
            cursor = self._connection.execute(sql.SQL(query).format(**self._names), values)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise BooksError(
                f"the models' tables cannot be used, run `dbt build` first: {_first_line(error)}"
            ) from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _voucher(row: dict[str, Any]) -> Voucher:
    def text(column: str) -> str:
        return row[column] or ""

    return Voucher(
        id=row["voucher_id"],
        kind=row["kind"],
        reverses=text("reverses"),
        entry=row["accounting_entry_id"],
        job=row["job_id"],
        company=row["company_id"],
        document=row["document"],
        journal=text("journal"),
        voucher_date=row["voucher_date"],
        posting_date=row["posting_date"],
        due_date=row["due_date"],
        number=text("document_number"),
        text=text("text"),
        type=text("type"),
        currency=text("currency"),
        amount=row["amount"],
        foreign_currency=text("foreign_currency"),
        foreign_amount=row["foreign_amount"],
        vendor=Party(
            code=text("vendor_code") or text("supplier_code"),
            name=text("vendor_name") or text("supplier_name"),
            external_id=text("vendor_external_id"),
            tax_identifier=text("supplier_tax_identifier"),
            country=text("supplier_country"),
        ),
        employee=Party(code=text("user_code"), name=text("user_name"), external_id=text("user_id")),
        files=tuple(path for path in row["files"] or () if path),
        web_link=text("web_link"),
        legs=tuple(_leg(line) for line in row["lines"] or ()),
    )


def _leg(line: dict[str, Any]) -> Leg:
    def exact(name: str) -> Decimal | None:
        return None if line[name] is None else Decimal(line[name])

    return Leg(
        number=line["number"],
        role=line["role"],
        account=line["account"] or "",
        amount=Decimal(line["amount"]),
        account_name=line["account_name"] or "",
        tax_code=line["tax_code"] or "",
        tax_rate=exact("tax_rate"),
        tax_amount=exact("tax_amount"),
        vat=line["vat"] or "",
        tags={group: tuple(codes) for group, codes in (line["tags"] or {}).items()},
    )
