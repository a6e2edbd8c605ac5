"""Command line of the import files."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from contextlib import contextmanager
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tap_pleo_export.books.database import MAX_REASON, URL_VARIABLE, Books, BooksError, database_url
from tap_pleo_export.import_files import csv_journal, datev, sie
from tap_pleo_export.import_files.batch import Batch, Written
from tap_pleo_export.import_files.store import REFUSED, FileError, FileStore
from tap_pleo_export.singer.program import run_program, unwind_on_signals
from tap_pleo_export.singer.redaction import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_pleo_export.books.vouchers import Voucher

_PROGRAM = "pleo-export-files"
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
Counts = dict[str, int]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The TOML file: a table for each format."""

    datev: datev.DatevOptions | None = None
    sie: sie.SieOptions | None = None
    csv: csv_journal.CsvOptions = csv_journal.CsvOptions()


def main(arguments: list[str] | None = None) -> int:
    """Write, repeat, confirm or discard import files, then the run summary on standard error.

    Returns:
        The exit code: 0 also if a format cannot take some vouchers; 1 if the warehouse, the configuration or the
        directory cannot be used.
    """
    unwind_on_signals()
    options = _parse(arguments)
    counts: Counts = {}
    return run_program(_PROGRAM, lambda: _run(options, counts), counts, BooksError, FileError, clean=SECRETS.one_line)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Write the vouchers of a company and a month as files that accounting systems import.",
        epilog=f"The address of the warehouse is in the environment variable {URL_VARIABLE}.",
    )
    add = parser.add_argument
    add("--format", choices=("datev", "sie", "csv"), help="format of the files")
    add("--company", metavar="ID", help="Pleo's uuid of the company")
    add("--period", type=_month, metavar="MONTH", help="posting period, such as 2026-11")
    add("--output", type=Path, metavar="DIRECTORY", help="where the files are written")
    add("--config", type=Path, metavar="FILE", help="settings of the formats, in TOML")
    add("--fail-refused", action="store_true", help="report vouchers that the format cannot take as failed to Pleo")
    act = parser.add_mutually_exclusive_group()
    act.add_argument("--reissue", metavar="NAME", help="write a file again, with the same bytes, into --output")
    act.add_argument("--confirm", metavar="NAME", help="record the vouchers of an imported file as booked")
    act.add_argument("--discard", metavar="NAME", help="free the vouchers of a file that was not imported")
    add(
        "--refused",
        nargs=2,
        action="append",
        default=[],
        metavar=("NUMBER", "REASON"),
        help="with --confirm: a voucher of the file that the accounting system refused, by its number in the file",
    )
    add("--schema", default="pleo_models", help="schema of the models")
    add("--recorded-schema", default="", help="schema of pleo_recorded, if it is another")
    add("--version", action="version", version=f"{_PROGRAM} {version('tap-pleo-export')}")
    options = parser.parse_args(arguments)
    named = options.reissue or options.confirm or options.discard
    if not named and not (options.format and options.company and options.period and options.output):
        parser.error("--format, --company, --period and --output are required")
    if options.reissue and not options.output:
        parser.error("--reissue requires --output")
    if options.refused and not options.confirm:
        parser.error("--refused is for --confirm")
    try:
        options.refused = {int(number): reason for number, reason in options.refused}
    except ValueError:
        parser.error("--refused: the first value is the number of the voucher in the file")
    return options


def _month(text: str) -> date:
    match = _MONTH.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a month: write it like 2026-11")
    return date(int(match[1]), int(match[2]), 1)


def _run(options: argparse.Namespace, counts: Counts) -> int:
    url = database_url()
    config = _config(options.config)
    with Books(url, options.schema, options.recorded_schema) as books:
        store = FileStore(books)
        name = options.reissue or options.confirm or options.discard
        with _only(books, store.file(name)["company_id"] if name else options.company):
            if options.reissue:
                _deliver(store, name, options.output)
            elif options.confirm:
                _confirm(store, name, options.refused, counts)
            elif options.discard:
                _discard(store, name, counts)
            else:
                _write(books, store, config, options, counts)
    return 0


@contextmanager
def _only(books: Books, company: str) -> Iterator[None]:
    """Take the lock of a company."""
    with books.lock(company) as is_ours:
        if not is_ours:
            raise FileError(f"company {company} is being booked by another process: run again when it has ended")
        yield


def _config(path: Path | None) -> Config:
    if path is None:
        return Config()
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Config)
    except OSError as error:
        raise FileError(f"--config {path} cannot be read ({error.strerror})") from None
    except (msgspec.ValidationError, ValueError) as error:
        raise FileError(f"--config {path}: {error}") from None


def _write(books: Books, store: FileStore, config: Config, options: argparse.Namespace, counts: Counts) -> None:
    for name in store.unwritten(options.company):
        print(f"{name} was recorded by a run that was interrupted; it is written now.")
        _deliver(store, name, options.output)
    waiting = list(books.waiting(options.company))
    month = options.period
    due = [voucher for voucher in waiting if voucher.posting_date.replace(day=1) == month]
    number = store.next_number(options.format, options.company, month)
    batch = Batch(options.company, month, number, datetime.now(UTC))
    written = _written(due, config, options.format, batch)
    for file in written.files:
        _require_free(options.output / file.name, file.content)
    store.save(options.format, batch, written.files)
    for file in written.files:
        _deliver(store, file.name, options.output)
        print(f"{len(file.vouchers)} vouchers. After the import: {_PROGRAM} --confirm {file.name}")
    if options.fail_refused:
        for refusal in written.refusals:
            books.refuse(refusal.voucher_id, REFUSED, refusal.reason[:MAX_REASON])
    counts |= {"files": len(written.files), "written": len(due) - len(written.refusals)}
    counts |= {"refused": len(written.refusals), "other_months": len(waiting) - len(due)}
    _explain(written, len(waiting) - len(due), f"{month:%Y-%m}")


def _written(due: Iterable[Voucher], config: Config, name: str, batch: Batch) -> Written:
    if name == "csv":
        return csv_journal.write(due, config.csv, batch)
    if name == "datev" and config.datev:
        return datev.write(due, config.datev, batch)
    if name == "sie" and config.sie:
        return sie.write(due, config.sie, batch)
    raise FileError(f"--format {name} requires a table [{name}] in --config: docs/import-files.md has one to copy")


def _explain(written: Written, others: int, month: str) -> None:
    if not written.files and not written.refusals:
        print(f"No file: no voucher of this company waits that is posted in {month}.")
    for change, times in written.changes.items():
        print(f"Changed {times} times: {change}", file=sys.stderr)
    for refusal in written.refusals:
        print(f"Refused {refusal.voucher_id}: {refusal.reason}", file=sys.stderr)
    if written.refusals:
        print(f"{len(written.refusals)} vouchers are in no file, for the reasons above.", file=sys.stderr)
    if others:
        print(f"{others} vouchers are posted in other months.")


def _confirm(store: FileStore, name: str, refused: dict[int, str], counts: Counts) -> None:
    if store.file(name)["confirmed_at"]:
        print(f"{name} is confirmed already.")
        return
    counts["booked"], counts["refused"] = store.confirm(name, refused)
    print(f"{name}: {counts['booked']} vouchers recorded as booked, {counts['refused']} as refused.")


def _discard(store: FileStore, name: str, counts: Counts) -> None:
    if store.file(name)["confirmed_at"]:
        raise FileError(f"{name} is confirmed, so its vouchers are booked: reverse them in the accounting system")
    counts["discarded"] = store.discard(name)
    print(f"{name}: {counts['discarded']} vouchers wait for another file. Delete this one.")


def _deliver(store: FileStore, name: str, directory: Path) -> None:
    """Put a recorded file into a directory, whole or not at all."""
    path, content = directory / name, store.file(name)["content"]
    _require_free(path, content)
    temporary = path.with_name(f".{name}.part")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise FileError(f"{path} cannot be written ({error.strerror}): run again once it can") from None
    store.mark_written(name)
    print(f"Written: {path}")


def _require_free(path: Path, content: bytes) -> None:
    if path.exists() and not (path.is_file() and path.read_bytes() == content):
        raise FileError(f"{path} exists with other content: move it away, or choose another --output")
