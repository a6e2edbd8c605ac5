"""Import files in the warehouse: their bytes and vouchers, so that no voucher is written twice."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from tap_pleo_export.books.database import Books, BooksError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_pleo_export.import_files.batch import Batch, File

_FILES = """
    create table if not exists {answers}.pleo_import_files (
        file_name varchar primary key, format varchar not null, company_id varchar not null, period date not null,
        content bytea not null, written_at timestamptz, confirmed_at timestamptz
    )
"""
_VOUCHERS = """
    create table if not exists {answers}.pleo_import_file_vouchers (
        file_name varchar not null references {answers}.pleo_import_files on delete cascade,
        voucher_id varchar not null unique, number integer not null, primary key (file_name, number)
    )
"""
REFUSED = "accounting_system_validation_failure"
"""Pleo's type of failure for vouchers that an accounting system refuses."""


class FileError(Exception):
    """A file cannot be written, found or changed; the message is one line with the remedy."""


class FileStore:
    """The tables `pleo_import_files` and `pleo_import_file_vouchers`, next to `pleo_recorded`.

    `written_at` is empty until the file is in its directory: a run that was killed in between is completed by the next.
    """

    def __init__(self, books: Books) -> None:
        """Create the tables if they are missing."""
        self._books = books
        with suppress(BooksError):
            # A role that may use the tables need not be allowed to create some.
            books.run("select from {answers}.pleo_import_files, {answers}.pleo_import_file_vouchers limit 0")
            return
        with books.transaction():
            books.run(_FILES)
            books.run(_VOUCHERS)

    def next_number(self, name: str, company: str, period: date) -> int:
        """Return the number of the next batch of a format, company and month; none is used twice."""
        rows = self._books.run(
            "select count(distinct file_name) from {answers}.pleo_import_files"
            " where format = %s and left(company_id, 8) = left(%s, 8) and period = %s",
            *(name, company, period),
        )
        return int(rows[0]["count"]) + 1

    def save(self, name: str, batch: Batch, files: list[File]) -> None:
        """Record files of a format with their vouchers, all or none; they are not in their directory yet."""
        with self._books.transaction():
            for file in files:
                self._books.run(
                    "insert into {answers}.pleo_import_files (file_name, format, company_id, period, content)"
                    " values (%s, %s, %s, %s, %s)",
                    *(file.name, name, batch.company, batch.month, file.content),
                )
                self._books.run(
                    "insert into {answers}.pleo_import_file_vouchers (file_name, voucher_id, number)"
                    " select %s, id, number from unnest(%s::text[]) with ordinality as given (id, number)",
                    *(file.name, list(file.vouchers)),
                )

    def unwritten(self, company: str) -> list[str]:
        """Return the names of a company's files that are recorded, but may not be in their directory."""
        rows = self._books.run(
            "select file_name from {answers}.pleo_import_files where company_id = %s and written_at is null order by 1",
            company,
        )
        return [row["file_name"] for row in rows]

    def mark_written(self, name: str) -> None:
        """Record that a file is in its directory."""
        self._books.run("update {answers}.pleo_import_files set written_at = now() where file_name = %s", name)

    def file(self, name: str) -> dict[str, Any]:
        """Return a file's row: content, company_id, confirmed_at and others.

        Raises:
            FileError: No file has this name.
        """
        rows = self._books.run("select * from {answers}.pleo_import_files where file_name = %s", name)
        if not rows:
            raise FileError(f"no file {name!r} was written: give its name without a folder")
        return rows[0]

    def confirm(self, name: str, refused: Mapping[int, str]) -> tuple[int, int]:
        """Record the vouchers of a file as booked, except those refused by number.

        Returns:
            The numbers of vouchers recorded and refused.

        Raises:
            FileError: The file has no such number.
        """
        rows = self._books.run(
            "select number, voucher_id from {answers}.pleo_import_file_vouchers where file_name = %s order by 1", name
        )
        numbers = {row["number"]: row["voucher_id"] for row in rows}
        if not numbers:
            raise FileError(f"{name} was discarded: its vouchers are in other files, or wait for one")
        if unknown := sorted(refused.keys() - numbers.keys()):
            raise FileError(f"{name} has no voucher {unknown[0]}: its vouchers are 1 to {len(numbers)}")
        with self._books.transaction():
            for number, voucher_id in numbers.items():
                if number in refused:
                    self._books.refuse(voucher_id, REFUSED, refused[number])
                else:
                    self._books.record(voucher_id, f"{name}#{number}")
            self._books.run("update {answers}.pleo_import_files set confirmed_at = now() where file_name = %s", name)
        return len(numbers) - len(refused), len(refused)

    def discard(self, name: str) -> int:
        """Free the vouchers of a file that was not imported, for another file; return their number."""
        query = "delete from {answers}.pleo_import_file_vouchers where file_name = %s returning voucher_id"
        return len(self._books.run(query, name))
