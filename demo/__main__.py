"""``make demo``: load a local Pleo into a local PostgreSQL with the real Meltano, check and show the result."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.markup import escape

from demo import books, report
from sandbox import Sandbox
from tools import postgres
from tools.meltano import CHECKOUT, LogLine, MeltanoProject

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

HOME = Path(".demo")
DATA = HOME / "postgres"
PAGE = HOME / "report.html"
RECEIPTS = HOME / "receipts"
LOAD = ("run", "tap-pleo-export", "pleo-validate", "pleo-attachments", "target-postgres")
REPORT = ("run", "tap-pleo-export", "pleo-failures", "target-pleo-export")
MODELS = ("run", "dbt-postgres:models")
OUTBOX = ("run", "tap-pleo-outbox", "target-pleo-export")
ITEMS = "/v3/export-items"
WORLDS = ("demo", "settled", "settled_other_signs", "repeated")
# Width of the tables if the output is not a terminal.
LOG_WIDTH = 120

_SOURCES = {
    "tap-pleo-export": "tap",
    "map-pleo-validation": "mapper",
    "pleo-validate": "mapper",
    "map-pleo-attachments": "files",
    "pleo-attachments": "files",
    "target-postgres": "target",
    "pleo-failures": "mapper",
    "target-pleo-export": "report",
    "tap-pleo-outbox": "outbox",
    "dbt-postgres": "dbt",
}
_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}
_NO_STATE = "No state was found"
# Log lines without interest for a viewer: headers, plumbing, SQL.
_NOISE = re.compile(
    r"METRIC|Skipping parse of env|Inserting with SQL|Using systemdb|Reading state|Running (job|catalog)|Reader '"
    r"|Environment '|Block run|Added '|(tap|map|target)-[a-z-]+ v\d|.*\bMeltano \d|Beginning sync of"
    r"|Skipping deselected|Found '__else__"
    # dbt, except its summary and problems.
    r"|\d\d:\d\d:\d\d(?!.*(Done|WARN|ERROR|Error|Failure))"
)


class DemoError(Exception):
    """The demo cannot continue; the message is for the user."""


class Demo:
    """One run of the demo, on a console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line of Rich markup, with the seconds since the start."""
        self.console.print(f"[dim]{time.monotonic() - self.started:5.1f} s[/]  {text}")

    def verdict(self, text: str, *, good: bool) -> bool:
        """Print the result of a check in green or red, and return it."""
        self.say(f"[{'green' if good else 'red'}]{escape(text)}[/]")
        return good

    def run(self, project: MeltanoProject, command: tuple[str, ...]) -> None:
        """Run a pipeline and show the important lines of its log."""
        self.say(f"[bold]meltano {' '.join(command)}[/]")
        log = []
        for line in project.follow(*command):
            log.append(line)
            if shown := describe(line):
                self.say(shown)
        if project.returncode:
            record = project.root / "failed.log"
            record.write_text("".join(line.raw for line in log), encoding="utf-8")
            raise DemoError(f"meltano ended with exit code {project.returncode}; the full log is in {record}")

    def play(self, pleo: Sandbox, server: postgres.Postgres) -> bool:
        """Load, report, keep the books, and return whether every check passes."""
        items = books.open_items(pleo)
        self.say(f"Local Pleo on {pleo.url}: {len({job for job, _ in items})} export jobs with {len(items)} open items")
        with server.connect() as connection:
            version = connection.info.parameter_status("server_version")
        self.say(f"PostgreSQL {version}, data in {DATA}")

        project = MeltanoProject(HOME.resolve() / "meltano", settings(pleo, server, RECEIPTS))
        shutil.rmtree(RECEIPTS, ignore_errors=True)
        pleo.serve_files = True
        self.run(project, LOAD)
        self.console.print()
        with server.connect() as connection:
            equal = self.report(pleo, connection)
            text, stored = report.check_receipts(RECEIPTS, connection)
            equal = self.verdict(text, good=stored) and equal
            self.write_page(server)
            equal = self.report_back(project, pleo, connection) and equal
            return self.keep_books(project, pleo, items, connection) and equal

    def report_back(self, project: MeltanoProject, pleo: Sandbox, connection: psycopg.Connection[Any]) -> bool:
        """Mark the failing items in Pleo, twice, and return whether exactly these are failed there."""
        found = report.failed_keys(connection)
        should_be = found | report.failing(pleo)
        self.console.print()
        self.say(f"Back to Pleo: {len(found)} items failed their checks and are marked as failed, with the reason")
        before = len(pleo.requests_to(ITEMS))
        self.run(project, REPORT)
        read, sent = len(pleo.requests_to(ITEMS)), report.sent(pleo)
        self.say("The same again: Meltano's state marks the jobs complete, so no items are requested and none reported")
        self.run(project, REPORT)
        again = len(pleo.requests_to(ITEMS)) - read, report.sent(pleo) - sent
        failed = report.failing(pleo)
        text = f"{read - before} requests for items and {sent} updates in the first run, {again} in the second"
        quiet = self.verdict(text, good=again == (0, 0))
        text = f"{len(failed)} items are failed in Pleo, {len(should_be)} should be"
        return self.verdict(text, good=failed == should_be) and quiet

    def write_page(self, server: postgres.Postgres) -> None:
        """Write the bookkeeper's page from the database."""
        self.console.print()
        arguments = ["--schema", postgres.SCHEMA, "--output", str(PAGE), "--csv", str(PAGE.with_suffix(".csv"))]
        self.say(f"[bold]pleo-export-report {escape(' '.join(arguments))}[/]")
        environment = os.environ | {"PLEO_EXPORT_REPORT_SQLALCHEMY_URL": server.url()}
        program = Path(sys.executable).with_name("pleo-export-report")
        run = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, encoding="utf-8", check=False
        )
        if run.returncode:
            raise DemoError(run.stderr.strip())
        self.console.print(f"\n{run.stdout}", markup=False)

    def keep_books(
        self, project: MeltanoProject, pleo: Sandbox, items: books.Items, connection: psycopg.Connection[Any]
    ) -> bool:
        """Build and book the models, complete the jobs, do so again, and return whether Pleo and the books agree."""
        project.settings |= reporting_settings()
        self.console.print()
        self.say("The dbt models: expenses, vouchers, findings and the outbox, with their tests")
        self.run(project, MODELS)
        first = self.book(project, pleo, items, connection)
        self.console.print()
        self.say("Meanwhile suppliers and employees are paid, failed items are corrected, entries are exported again")
        again = books.correct(pleo, items)
        self.run(project, (*LOAD, *MODELS[1:]))
        self.console.print()
        self.say("A bookkeeper cancels an export that is loaded already, and exports half of its entries again")
        pleo.cancel(again)
        more = books.open_items(pleo)
        self.run(project, (*LOAD, *MODELS[1:]))
        second = self.book(project, pleo, more, connection)
        self.console.print()
        self.say("The same again: nothing is left to book or to report")
        self.run(project, (*LOAD, *MODELS[1:], *OUTBOX[1:]))
        left = books.outbox(connection), len(books.open_items(pleo)), sum(job.running for job in pleo.jobs.values())
        text = f"{left[0]} updates in the outbox, {left[1]} open items, {left[2]} running jobs"
        third = self.verdict(text, good=not any(left))
        return self.close_books(pleo, items | more, connection) and first and second and third

    def book(
        self, project: MeltanoProject, pleo: Sandbox, items: books.Items, connection: psycopg.Connection[Any]
    ) -> bool:
        """Book new vouchers, report them, and return whether all jobs are completed."""
        jobs = [job for job in pleo.jobs.values() if job.running]
        vouchers, updates = books.book(connection), books.outbox(connection)
        ledger = books.LEDGER.relative_to(CHECKOUT)
        self.say(f"A simple accounting system, {ledger}: {vouchers} vouchers booked")
        text = f"Back to Pleo: {updates} updates in the outbox, for {len(items)} items"
        each = self.verdict(text, good=updates == len(items))
        self.run(project, OUTBOX)
        ended = books.all_ended(jobs)
        return self.verdict(f"All jobs completed, all items final: {ended}", good=ended) and each

    def close_books(self, pleo: Sandbox, items: books.Items, connection: psycopg.Connection[Any]) -> bool:
        """Print the balances, and return whether the books are balanced and agree with Pleo."""
        exported = {(job, entry) for job, entry in items if pleo.jobs[job].item_statuses[entry] == "successful"}
        table, equal = books.agreement(pleo, exported, connection)
        for shown in (books.trial_balance(connection), table, books.assumptions(connection)):
            self.console.print("", shown, sep="\n")
        self.console.print()
        self.say(
            "To suppliers: invoices that Pleo has not paid yet. To employees: outlays less personal spend and "
            "reimbursements. In transit: the bank statement books the other side"
        )
        self.say(f"Exported again with another amount: {books.reversals(connection)} vouchers reversed, and replaced")
        balanced = not any(books.totals(connection).values())
        self.verdict(f"Debits and credits are equal to the last digit: {balanced}", good=balanced)
        return self.verdict(f"Books and Pleo agree on every balance: {equal}", good=equal) and balanced

    def report(self, pleo: Sandbox, connection: psycopg.Connection[Any]) -> bool:
        """Print the loaded data, and return whether it equals the sandbox's."""
        for table in (report.jobs, report.checks, report.reasons):
            self.console.print(table(connection), "", sep="\n")
        text, equal = report.check(pleo, connection)
        return self.verdict(text, good=equal)


def settings(pleo: Sandbox, server: postgres.Postgres, receipts: Path) -> dict[str, str]:
    """Return the settings of all plugins for a sandbox, a warehouse and a folder of receipts."""
    return {
        "TAP_PLEO_EXPORT_API_URL": pleo.url,
        "TAP_PLEO_EXPORT_API_KEY": pleo.api_key,
        "TARGET_PLEO_EXPORT_API_URL": pleo.url,
        "TARGET_PLEO_EXPORT_API_KEY": pleo.api_key,
        "TARGET_POSTGRES_SQLALCHEMY_URL": server.url(),
        "MAP_PLEO_ATTACHMENTS_DESTINATION": str(receipts.resolve()),
        # Links to a local address are refused by default.
        "MAP_PLEO_ATTACHMENTS_ALLOW_HOSTS": '["127.0.0.1"]',
        "DBT_POSTGRES_HOST": str(server.socket),
        "DBT_USE_COLORS": "false",
        **books.outbox_settings(server),
    }


def reporting_settings() -> dict[str, str]:
    """Return the settings with which jobs are started and completed, and ended ones are read."""
    return {
        "TARGET_PLEO_EXPORT_START_JOBS": "true",
        "TARGET_PLEO_EXPORT_COMPLETE_JOBS": "true",
        "TAP_PLEO_EXPORT_JOB_STATUSES": json.dumps(["pending", "in_progress", *books.ENDED]),
    }


def describe(line: LogLine) -> str | None:
    """Return a log line as Rich markup, or None if it is noise."""
    source = f"[cyan]{_SOURCES.get(line.source, line.source):8}[/]"
    if line.metric.get("metric") == "record_count":
        what = "rows written" if line.source.startswith("target") else "records read"
        return f"{source}{line.metric.get('tags', {}).get('stream')}: {line.metric.get('value')} {what}"
    if _NOISE.match(line.text):
        return None
    colour = None if line.text.startswith(_NO_STATE) else _COLOURS.get(line.level)
    return source + (f"[{colour}]{escape(line.text)}[/]" if colour else escape(line.text))


def stop(_signal: int, _frame: object) -> NoReturn:
    """Turn SIGTERM into an exit that unwinds, so that all processes are stopped."""
    raise SystemExit(128 + signal.SIGTERM)


def perform(play: Callable[[Console], bool], *expected: type[Exception]) -> int:
    """Call `play` in the checkout with the terminal, and return the exit code; expected errors are one line."""
    signal.signal(signal.SIGTERM, stop)
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    os.chdir(CHECKOUT)
    errors: tuple[type[Exception], ...] = (DemoError, postgres.PostgresError, *expected)
    try:
        return 0 if play(console) else 1
    except errors as error:
        console.print(f"[bold red]{escape(str(error))}[/]")
        return 1
    except KeyboardInterrupt:
        console.print("[yellow]Stopped.[/]")
        return 128 + signal.SIGINT


def play(console: Console) -> bool:
    """Run the demo in the checkout's ``.demo`` directory, and return whether every check passes."""
    demo = Demo(console)
    with Sandbox.holding(*WORLDS) as pleo, postgres.running(DATA, fresh=True) as server:
        equal = demo.play(pleo, server)
    demo.say(f"[bold]The bookkeeper's page: {PAGE}[/] (open it in a browser)")
    demo.say("Sandbox and PostgreSQL are stopped; the data stays until the next demo. To query it:")
    look = f"{os.path.relpath(sys.executable)} -m tools.postgres {DATA}"
    console.print(f'\n  {look}\n  {look} "{report.EXAMPLE}"\n', markup=False)
    return equal


if __name__ == "__main__":
    raise SystemExit(perform(play))
