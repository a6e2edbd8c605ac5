"""Command line of the report."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import secrets
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tap_pleo_export.blocked_report import page
from tap_pleo_export.blocked_report.causes import remedy_of
from tap_pleo_export.blocked_report.grouping import STATES, Summary, is_listed_as_ended, without_item
from tap_pleo_export.blocked_report.jsonl_reader import read_lines
from tap_pleo_export.blocked_report.money import in_major_units
from tap_pleo_export.blocked_report.number_format import environment_locale, find_locale, number, time_of_day
from tap_pleo_export.blocked_report.record_store import RecordStore, ReportError
from tap_pleo_export.blocked_report.spreadsheet import ENCODING, Spreadsheet
from tap_pleo_export.blocked_report.text import clean_id, clean_text
from tap_pleo_export.singer.program import run_program, unwind_on_signals
from tap_pleo_export.singer.progress import minutes_left, progress
from tap_pleo_export.text import parse_time

if TYPE_CHECKING:
    from babel import Locale

    from tap_pleo_export.blocked_report.item import ReportJob
    from tap_pleo_export.blocked_report.money import Sums
    from tap_pleo_export.singer.progress import Progress

URL_VARIABLE = "PLEO_EXPORT_REPORT_SQLALCHEMY_URL"
_SECONDS = re.compile(r"[0-9]{1,11}")
_PROGRAM = "pleo-export-report"
_STDIN = "-"
_STDOUT = Path("-")
_MAX_CAUSES = 10
_MAX_JOBS = 10
# Of its progress: below those of the tap and of map-pleo-attachments.
_ROW = 2


def main(arguments: list[str] | None = None) -> int:
    """Write the report, then the run summary on standard error.

    Returns:
        The exit code: 0 if the report was written, whether or not items are blocked; otherwise 1.
    """
    unwind_on_signals()
    options = _parse(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # For terminals that cannot show every character.
            stream.reconfigure(errors="replace")
    counts: dict[str, int] = {}

    def run() -> int:
        try:
            _report(options, counts)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of the summary has exited. Python flushes the rest at exit, so send it nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        return 0

    return run_program(_PROGRAM, run, counts, ReportError)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Report the blocked items of Pleo's export jobs, the reasons and the remedies, as HTML and CSV.",
        epilog=f"Pass a URL with a password in the environment variable {URL_VARIABLE}.",
    )
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE", help="output of pleo-validate, or JSONL files of a loader; - is stdin")
    add("--sqlalchemy-url", help="read the loader's database instead of files")
    add("--schema", help="schema of the loader's tables")
    add("--output", type=Path, metavar="FILE", help="write the report as HTML to this file; - is stdout")
    add("--csv", type=Path, metavar="FILE", help="write all items as CSV to this file; - is stdout")
    add(
        "--locale",
        help="locale of numbers and CSV, such as de-DE; by default the browser's or terminal's, CSV in English",
    )
    add(
        "--time-zone",
        help="time zone of days and times, such as Europe/Copenhagen; by default UTC for the items' days, the reader's"
        " for times on the page, and the machine's for others",
    )
    add(
        "--company",
        action="append",
        default=[],
        metavar="ID=NAME",
        help="name of a company, shown instead of its id; may be repeated",
    )
    add("--all-jobs", action="store_true", help="include export jobs that have ended")
    add("--version", action="version", version=f"{_PROGRAM} {version('tap-pleo-export')}")
    options = parser.parse_args(arguments)
    if not options.sqlalchemy_url and not options.files:
        options.sqlalchemy_url = os.environ.get(URL_VARIABLE)
    if options.files and options.sqlalchemy_url:
        parser.error("give either files or --sqlalchemy-url")
    if options.schema and not options.sqlalchemy_url:
        parser.error("--schema needs a database: give --sqlalchemy-url")
    if not options.files and not options.sqlalchemy_url:
        if sys.stdin.isatty():
            parser.error("nothing to read: give files or --sqlalchemy-url, or pipe in the output of pleo-validate")
        options.files = [_STDIN]
    if options.output == options.csv == _STDOUT:
        parser.error("--output and --csv cannot both be -")
    if options.locale is not None and find_locale(options.locale) is None:
        parser.error(
            f"--locale: unknown locale {options.locale!r}; write a language with an optional country: de, de-CH"
        )
    companies = [tuple(map(str.strip, given.partition("=")[::2])) for given in options.company]
    if wrong := next((given for given, parts in zip(options.company, companies, strict=True) if not all(parts)), None):
        parser.error(f"--company: {wrong!r} is not an id and a name; write it like 12abc3d4-…=Nordlys")
    options.companies = {clean_id(company): clean_text(name) for company, name in companies}
    try:
        # UTC needs no database of time zones.
        options.time_zone = options.time_zone and (UTC if options.time_zone == "UTC" else ZoneInfo(options.time_zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        parser.error(f"--time-zone: unknown time zone {options.time_zone!r}; write it like Europe/Copenhagen")
    return options


def _report(options: argparse.Namespace, counts: dict[str, int]) -> None:
    own_locale = find_locale(options.locale or "")
    locale = own_locale or environment_locale(os.environ)
    now = _now()
    with contextlib.ExitStack() as stack:
        # Opened before minutes of reading, so that a wrong path is reported immediately.
        html = stack.enter_context(_output(options.output, "utf-8")) if options.output else None
        table = stack.enter_context(_output(options.csv, ENCODING)) if options.csv else None
        store = stack.enter_context(contextlib.closing(RecordStore(options.time_zone or UTC, now, options.companies)))
        try:
            _read(options, store)
        except sqlite3.Error as error:
            raise ReportError(f"no space for temporary data ({error}): free some, or set SQLITE_TMPDIR") from None
        _require_verdicts(store)
        sheet = Spreadsheet(table, own_locale, options.time_zone) if table else None
        summary = summarize(store, sheet, all_jobs=options.all_jobs)
        counts |= summary.counts()
        if html is not None:
            html.writelines(page.render(summary, now, locale, zone=options.time_zone, keep_locale=bool(own_locale)))
    files = [path for path in (options.output, options.csv) if path]
    terminal = sys.stderr if _STDOUT in files else sys.stdout
    for line in _terminal_lines(summary, now, locale, options.time_zone):
        print(line, file=terminal)
    for path in files:
        if path != _STDOUT:
            print(f"Written: {path}", file=terminal)


def _read(options: argparse.Namespace, store: RecordStore) -> None:
    with progress(row=_ROW) as shown:
        tick = _counter(shown, _total_size(options.files), store) if shown else _ignore
        if options.sqlalchemy_url:
            from tap_pleo_export.blocked_report.database import read_database  # noqa: PLC0415 - SQLAlchemy is slow

            read_database(options.sqlalchemy_url, options.schema, store, tick, ended=options.all_jobs)
        for name in options.files:
            if name == _STDIN:
                read_lines(sys.stdin.buffer, "standard input", "", store, tick)
            else:
                _read_file(Path(name), store, tick)


def _ignore(_steps: int) -> None:
    """Show nothing: standard error is not a terminal."""


def _counter(shown: Progress, total: int | None, store: RecordStore) -> Callable[[int], None]:
    """Return a function that counts the bytes read of `total`, if known, and shows how far the report is."""
    done = 0

    def tick(steps: int) -> None:
        nonlocal done
        done += steps
        jobs, items = f"{len(store.running)} running jobs", f"{store.items} items"
        shown.show("Reading records", done, total, minutes_left(min(store.running.values(), default=None)), jobs, items)

    return tick


def _read_file(path: Path, store: RecordStore, tick: Callable[[int], None]) -> None:
    try:
        with path.open("rb") as file:
            modified = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC).isoformat()
            read_lines(file, str(path), modified, store, tick)
    except OSError as error:
        raise ReportError(f"{path} cannot be read ({error.strerror})") from None


def _total_size(names: list[str]) -> int | None:
    """Return the size of all files in bytes; None without files, or if standard input is one of them."""
    if _STDIN in names or not names:
        return None
    # A missing file is reported when it is read.
    return sum(Path(name).stat().st_size for name in names if Path(name).is_file())


def _require_verdicts(store: RecordStore) -> None:
    if not store.items and not store.jobs():
        raise ReportError(
            "no export items received: pass the output of pleo-validate, or the loader's files of export_jobs,"
            " export_job_items and export_items"
        )
    if store.items and not store.validated:
        raise ReportError(
            "no export item has a verdict: run the tap through the mapper pleo-validate before the loader,"
            " then create the report again"
        )


def summarize(store: RecordStore, sheet: Spreadsheet | None, *, all_jobs: bool) -> Summary:
    """Count the items of a store, and write each of them to the CSV."""
    jobs = store.jobs()
    ended = set() if all_jobs else {job.id for job in jobs if is_listed_as_ended(job)}
    jobs = [job for job in jobs if job.id not in ended]
    summary = Summary(jobs, ended=len(ended), unreadable=store.unreadable, as_of=store.as_of)
    for item in store.items_except(ended):
        state = summary.add(item)
        if sheet is not None:
            sheet.add(item, state, summary.jobs[item.job].job)
    companies = {job.id: job.company for job in jobs}
    for listed in store.job_items_only(ended):
        item = without_item(listed, companies.get(listed.job, ""))
        state = summary.add_job_item(item)
        if sheet is not None:
            sheet.add(item, state, summary.jobs[item.job].job)
    for job_id, items in store.counted_elsewhere():
        if job_id in summary.jobs:
            summary.jobs[job_id].elsewhere = items
    return summary


def _terminal_lines(summary: Summary, now: datetime, locale: Locale, zone: tzinfo | None) -> Iterator[str]:
    if summary.as_of:
        yield f"As of {time_of_day(summary.as_of, zone)}"
    parts = summary.totals.parts
    for state, items in parts:
        name = "ready to book" if state == "ready" else STATES[state]
        yield f"{number(items, locale):>9}  {name:20} {_amounts(summary.totals[state].sums, locale)}".rstrip()
    terms = (f"{number(items, locale)} {STATES[state]}" for state, items in parts)
    yield f"{' + '.join(terms)} = {number(summary.totals.items, locale)} items"
    if summary.rounded:
        yield f"{number(summary.rounded, locale)} with fractions of a cent, rounded as in vouchers; the CSV has both"
    yield from _waiting_lines(summary, now, locale, zone)
    ranked = summary.ranked()
    if ranked:
        yield "\nWhat to fix first:"
    for cause, total in ranked[:_MAX_CAUSES]:
        remedy = remedy_of(cause)
        yield f"{number(total.items, locale):>9}  {remedy.title} ({', '.join(remedy.places)})"
    if len(ranked) > _MAX_CAUSES:
        yield f"{'':9}  and {number(len(ranked) - _MAX_CAUSES, locale)} more"


def _waiting_lines(summary: Summary, now: datetime, locale: Locale, zone: tzinfo | None) -> Iterator[str]:
    waiting = [totals for totals in summary.jobs.values() if totals.waiting]
    if waiting:
        yield "\nWaiting in Pleo:"
    for totals in waiting[:_MAX_JOBS]:
        needs = ", ".join(f"{number(items, locale)} {need}" for items, need in totals.waiting)
        yield f"  Job {totals.job.id[: page.SHORT_ID]}{_times(totals.job, now, zone)}: {needs}"
    if len(waiting) > _MAX_JOBS:
        yield f"  and {number(len(waiting) - _MAX_JOBS, locale)} more jobs"


def _times(job: ReportJob, now: datetime, zone: tzinfo | None) -> str:
    end, created, expires = page.deadline(job, now), parse_time(job.created), parse_time(job.expires)
    if end["ended"]:
        at = f" {time_of_day(expires, zone)}" if expires and end["ended"] == page.EXPIRED else ""
        return f", {end['ended']}{at}"
    since = f", since {time_of_day(created, zone)}" if created else ""
    return since + (f", {end['span']} left" if end["span"] else "")


def _amounts(sums: Sums, locale: Locale) -> str:
    return ", ".join(f"{number(in_major_units(sums[name], name), locale)} {name}" for name in sorted(sums))


@contextlib.contextmanager
def _output(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Open a file whose content replaces the one at this path when it is complete; devices and pipes are written to."""
    try:
        if path == _STDOUT:
            with open(sys.stdout.fileno(), "w", encoding=encoding, newline="", closefd=False) as file:
                yield file
        elif path.exists() and not (path.is_file() or path.is_dir()):
            with path.open("w", encoding=encoding, newline="") as file:
                yield file
        else:
            # The directory's, but without a name: a kill leaves no copy of names and amounts behind.
            with tempfile.TemporaryFile("w+", encoding=encoding, newline="", dir=path.resolve().parent) as file:
                yield file
                _replace(path.resolve(), file, encoding)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ReportError(f"{path} cannot be written ({error.strerror})") from None


def _replace(path: Path, text: IO[str], encoding: str) -> None:
    """Replace a file by a complete one."""
    text.seek(0)
    # Named before it is created, so that a signal at any moment leaves nothing behind.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("x", encoding=encoding, newline="") as file:
            shutil.copyfileobj(text, file)
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _now() -> datetime:
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(given), UTC) if _SECONDS.fullmatch(given) else datetime.now(UTC)
