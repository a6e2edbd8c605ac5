"""Command line of `pleo-export-book`."""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from contextlib import closing, nullcontext
from importlib.metadata import version
from pathlib import Path

from tap_pleo_export.books.database import URL_VARIABLE, Books, BooksError, database_url
from tap_pleo_export.ledger.adapter import LedgerUnavailable
from tap_pleo_export.ledger.booking import Booking, Outcome
from tap_pleo_export.ledger.configuration import Configuration, ConfigurationError
from tap_pleo_export.singer.redaction import SECRETS
from tap_pleo_export.singer.run_summary import run_summary
from tap_pleo_export.singer.signals import Interrupts

_PROGRAM = "pleo-export-book"
_MAX_REASONS = 10


def main(arguments: list[str] | None = None) -> int:
    """Book the waiting vouchers, then print the run summary on standard error.

    Returns:
        The exit code: 0 if every voucher was booked or refused; 1 if something ended the run, or another process is
        booking one of the companies.
    """
    interrupts = Interrupts()
    interrupts.install()
    options = _parse(arguments)
    started, code, total = time.monotonic(), 1, Outcome()
    try:
        code = _run(options, interrupts, total)
    except (BooksError, ConfigurationError, LedgerUnavailable) as error:
        _say(f"{_PROGRAM}: {error}")
    except SystemExit as signalled:
        code = signalled.code if isinstance(signalled.code, int) else code
        raise
    except Exception as error:  # noqa: BLE001 - an adapter may raise anything; a user reads a line, not a traceback
        place = traceback.extract_tb(error.__traceback__)[-1]
        _say(f"{_PROGRAM}: program error in {Path(place.filename).name}, line {place.lineno}: {error!r}; report it")
    finally:
        _warn(total)
        summary = run_summary(_PROGRAM, code, time.monotonic() - started, total.counts())
        print("METRIC:", json.dumps(summary), file=sys.stderr)
    return code


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Book the vouchers of pleo__vouchers_to_book in an accounting system, each once, and record it.",
        epilog=f"The environment variable {URL_VARIABLE} has the address of the models' database.",
    )
    add = parser.add_argument
    add("--config", type=Path, required=True, metavar="FILE", help="TOML file: adapter, companies, receipts, options")
    add("--company", action="append", default=[], metavar="UUID", help="book only this company; repeatable")
    add("--dry-run", action="store_true", help="say what would be booked; book and record nothing")
    add("--schema", default="pleo_models", help="schema of the models; pleo_models by default")
    add("--recorded-schema", default="", help="schema of pleo_recorded and pleo_refused; by default that of the models")
    add("--version", action="version", version=f"{_PROGRAM} {version('tap-pleo-export')}")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace, interrupts: Interrupts, total: Outcome) -> int:
    url = database_url()
    configuration = Configuration.read(options.config)
    code = 0
    with Books(url, options.schema, options.recorded_schema) as books:
        for company in configuration.choose(options.company, books.companies()):
            with nullcontext(enter_result=True) if options.dry_run else books.lock(company) as is_ours:
                if not is_ours:
                    _say(f"{_PROGRAM}: company {company} is being booked by another process: run again when it ends")
                    code = 1
                    continue
                with closing(configuration.open(company)) as ledger:
                    booking = Booking(books, ledger, interrupts, options.dry_run)
                    try:
                        booking.run(books.waiting(company))
                    finally:
                        total.add(booking.outcome)
                        _print_summary(f"{ledger.company} ({company})", booking)
    return code


def _print_summary(company: str, booking: Booking) -> None:
    counts = booking.outcome.counts()
    if booking.dry_run:
        counts = {"to book": counts.pop("booked")} | counts
    print(f"{company}: {', '.join(f'{vouchers} {what}' for what, vouchers in counts.items())}", flush=True)


def _warn(total: Outcome) -> None:
    for reason, vouchers in total.reasons.most_common(_MAX_REASONS):
        _say(f"WARNING: {vouchers} refused: {reason}")
    if rest := total.reasons.most_common()[_MAX_REASONS:]:
        _say(
            f"WARNING: {sum(vouchers for _, vouchers in rest)} refused for {len(rest)} other reasons, see pleo_refused"
        )


def _say(line: str) -> None:
    print(SECRETS.one_line(line), file=sys.stderr)
