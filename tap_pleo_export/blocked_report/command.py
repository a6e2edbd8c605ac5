"""The command line of the report: where records come from, what is written, how it ends."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import signal
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

from tap_pleo_export.blocked_report import number_format as figures
from tap_pleo_export.blocked_report import terminal
from tap_pleo_export.blocked_report.grouping import Summary
from tap_pleo_export.blocked_report.jsonl_reader import read_lines
from tap_pleo_export.blocked_report.problems import ReportError
from tap_pleo_export.blocked_report.progress import Progress
from tap_pleo_export.blocked_report.record_store import Spool
from tap_pleo_export.blocked_report.spreadsheet import ENCODING, Spreadsheet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

URL_VARIABLE = "PLEO_EXPORT_REPORT_SQLALCHEMY_URL"
TIME_VARIABLE = "SOURCE_DATE_EPOCH"
_SECONDS = re.compile(r"[0-9]{1,11}")
_STDIN = "-"


def main(arguments: list[str] | None = None) -> int:
    """Make the report.

    Returns:
        0 if it was made, whatever stands in it; 1 if not.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    options = _options(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no such letter shows another one.
            stream.reconfigure(errors="replace")
    try:
        _report(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the summary has gone; what is flushed at the end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ReportError as error:
        print(f"pleo-export-report: {error}", file=sys.stderr)  # noqa: T201 - a command line tells people
        return 1
    return 0


def _stop(number: int, _frame: object) -> NoReturn:
    # An exit that unwinds, so that no half of a file is left behind.
    raise SystemExit(128 + number)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="pleo-export-report",
        description="Writes what is blocked in Pleo's export jobs, why, and what to do: as HTML, as CSV, and here.",
        epilog=f"A URL with a password is safer in the environment: {URL_VARIABLE}.",
    )
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="what pleo-validate wrote, or a loader's JSONL files; - is standard input",
    )
    parser.add_argument("--sqlalchemy-url", help="read the loader's database instead of files")
    parser.add_argument("--schema", help="schema of the loader's tables")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the HTML page there")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every item as CSV there")
    parser.add_argument("--locale", help="how numbers are written, such as de-DE; by default as the browser has it")
    parser.add_argument("--all-jobs", action="store_true", help="show export jobs that have ended, too")
    parser.add_argument("--version", action="version", version=f"pleo-export-report {_version()}")
    options = parser.parse_args(arguments)
    if not options.sqlalchemy_url and not options.files:
        options.sqlalchemy_url = os.environ.get(URL_VARIABLE)
    if options.files and options.sqlalchemy_url:
        parser.error("give either files or --sqlalchemy-url")
    if options.schema and not options.sqlalchemy_url:
        parser.error("--schema needs a database: give --sqlalchemy-url")
    if not options.files and not options.sqlalchemy_url:
        if sys.stdin.isatty():
            parser.error("nothing to read: give files, --sqlalchemy-url, or pipe what pleo-validate writes into it")
        options.files = [_STDIN]
    if options.locale is not None and figures.style(options.locale) is None:
        parser.error(
            f"--locale: {options.locale!r} is not known; write a language, with a country if need be: de, de-CH"
        )
    return options


def _report(options: argparse.Namespace) -> None:
    # At once, not after minutes of reading.
    with contextlib.ExitStack() as stack:
        renderer = _page() if options.output else None
        page = stack.enter_context(_written(options.output, "utf-8")) if options.output else None
        table = stack.enter_context(_written(options.csv, ENCODING)) if options.csv else None
        spool = stack.enter_context(contextlib.closing(Spool()))
        try:
            _read(options, spool)
        except sqlite3.Error as error:
            raise ReportError(f"no room for temporary data ({error}): free some, or set SQLITE_TMPDIR") from None
        _judge(spool)
        summary = _sum_up(spool, table, all_jobs=options.all_jobs)
        style = figures.style(options.locale or figures.locale_of(os.environ)) or figures.Style()
        if page is not None and renderer is not None:
            locale = options.locale.replace("_", "-") if options.locale else ""
            for piece in renderer.render(summary, renderer.Setting(_now(), style, locale, _version())):
                page.write(piece)
    for line in terminal.lines(summary, style):
        print(line)  # noqa: T201 - a command line tells people
    for path in filter(None, (options.output, options.csv)):
        print(f"Written: {path}")  # noqa: T201 - as above


def _page() -> ModuleType:
    try:
        from tap_pleo_export.blocked_report import page  # noqa: PLC0415 - needs an extra
    except ImportError as error:
        raise ReportError(_extra(error)) from None
    return page


def _extra(error: ImportError) -> str:
    return f"{error.name} is not installed: install tap-pleo-export with its extra, tap-pleo-export[report]"


def _read(options: argparse.Namespace, spool: Spool) -> None:
    if options.sqlalchemy_url:
        try:
            from tap_pleo_export.blocked_report.database import read_database  # noqa: PLC0415 - needs an extra
        except ImportError as error:
            raise ReportError(_extra(error)) from None
        progress = Progress(sys.stderr, None)
        with contextlib.closing(progress):
            read_database(options.sqlalchemy_url, options.schema, spool, progress.tick, ended=options.all_jobs)
        return
    progress = Progress(sys.stderr, _size(options.files))
    with contextlib.closing(progress):
        for name in options.files:
            if name == _STDIN:
                read_lines(sys.stdin.buffer, "standard input", "", spool, progress.tick)
                continue
            try:
                with open(name, "rb") as file:  # noqa: PTH123 - a name as it was given
                    at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC).isoformat()
                    read_lines(file, name, at, spool, progress.tick)
            except OSError as error:
                raise ReportError(f"{name} cannot be read ({error.strerror})") from None


def _size(names: list[str]) -> int | None:
    if _STDIN in names:
        return None
    # One that is not there is told of when it is its turn.
    return sum(Path(name).stat().st_size for name in names if Path(name).is_file())


def _judge(spool: Spool) -> None:
    if not spool.items and not spool.jobs():
        raise ReportError(
            "no export item came by: give it what pleo-validate writes, or the loader's files of export_jobs,"
            " export_job_items and export_items"
        )
    if spool.items and not spool.validated:
        raise ReportError(
            "no export item has a verdict: run the tap through the mapper pleo-validate before the loader,"
            " then make the report again"
        )


def _sum_up(spool: Spool, table: IO[str] | None, *, all_jobs: bool) -> Summary:
    ended = set() if all_jobs else spool.ended()
    jobs = [job for job in spool.jobs() if job.id not in ended]
    summary = Summary(jobs, ended=len(ended), unreadable=spool.unreadable, as_of=spool.as_of)
    sheet = Spreadsheet(table) if table is not None else None
    for item in spool.items_of(ended):
        state = summary.add(item)
        if sheet is not None:
            sheet.add(item, state, summary.jobs[item.job].job)
    for job, status, items in spool.unread():
        summary.add_unread(job, status, items)
    return summary


@contextlib.contextmanager
def _written(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Open a file that takes its place when it is whole; an older one stays until then."""
    handle, name = -1, ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with open(handle, "w", encoding=encoding, newline="") as file:  # noqa: PTH123 - a handle
            yield file
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except OSError as error:
        raise ReportError(f"{path} cannot be written ({error.strerror})") from None
    finally:
        if name:
            Path(name).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _now() -> datetime:
    given = os.environ.get(TIME_VARIABLE, "")
    return datetime.fromtimestamp(int(given), UTC) if _SECONDS.fullmatch(given) else datetime.now(UTC)


def _version() -> str:
    return version("tap-pleo-export")
