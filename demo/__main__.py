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
        """Load twice, report, and return whether every check passes."""
        running = [job for job in pleo.jobs.values() if job.running]
        items = sum(len(job.items) for job in running)
        self.say(f"Local Pleo on {pleo.url}: {len(running)} running export jobs with {items} items")
        with server.connect() as connection:
            version = connection.info.parameter_status("server_version")
        self.say(f"PostgreSQL {version}, data in {DATA}")

        settings = {
            "TAP_PLEO_EXPORT_API_URL": pleo.url,
            "TAP_PLEO_EXPORT_API_KEY": pleo.api_key,
            "TARGET_PLEO_EXPORT_API_URL": pleo.url,
            "TARGET_PLEO_EXPORT_API_KEY": pleo.api_key,
            "TARGET_POSTGRES_SQLALCHEMY_URL": server.url(),
            "MAP_PLEO_ATTACHMENTS_DESTINATION": str(RECEIPTS.resolve()),
            # Links to a local address are refused by default.
            "MAP_PLEO_ATTACHMENTS_ALLOW_HOSTS": '["127.0.0.1"]',
            "DBT_POSTGRES_HOST": str(server.socket),
            "DBT_USE_COLORS": "false",
            **books.outbox_settings(server),
        }
        project = MeltanoProject(HOME.resolve() / "meltano", settings)
        shutil.rmtree(RECEIPTS, ignore_errors=True)
        pleo.serve_files = True
        self.run(project, LOAD)
        first = len(pleo.requests_to(ITEMS))
        self.console.print()
        with server.connect() as connection:
            equal = self.report(pleo, connection)
            text, stored = report.check_receipts(RECEIPTS, connection)
            equal = self.verdict(text, good=stored) and equal
            self.say("The same again: Meltano's state marks the jobs complete, so no items are requested")
            self.run(project, LOAD)
            again = len(pleo.requests_to(ITEMS)) - first
            text = f"Requests for items: {first} in the first run, {again} in the second"
            equal = self.verdict(text, good=not again) and report.check(pleo, connection)[1] and equal
            self.write_page(server)
            equal = self.report_back(project, pleo, connection) and equal
            return self.keep_books(project, pleo, connection) and equal

    def report_back(self, project: MeltanoProject, pleo: Sandbox, connection: psycopg.Connection[Any]) -> bool:
        """Mark the failing items in Pleo, twice, and return whether exactly these are failed there."""
        found = report.failed_keys(connection)
        should_be = found | report.failing(pleo)
        self.console.print()
        self.say(f"Back to Pleo: {len(found)} items failed their checks and are marked as failed, with the reason")
        self.run(project, REPORT)
        first = report.sent(pleo)
        self.console.print()
        self.console.print(report.statuses(pleo), "", sep="\n")
        self.say("The same again: everything is already reported")
        self.run(project, REPORT)
        again = report.sent(pleo) - first
        failed = report.failing(pleo)
        quiet = self.verdict(
            f"Requests that change Pleo: {first} in the first run, {again} in the second", good=not again
        )
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

    def keep_books(self, project: MeltanoProject, pleo: Sandbox, connection: psycopg.Connection[Any]) -> bool:
        """Build and book the models, report the results, complete the jobs, and return whether all agree."""
        jobs = [job for job in pleo.jobs.values() if job.running]
        self.console.print()
        self.say("The dbt models: expenses, lines, journal entries, findings and the outbox, with their tests")
        self.run(project, MODELS)
        ledger, vouchers = books.LEDGER.relative_to(CHECKOUT), books.book(connection)
        self.say(f"A stand-in for an accounting system, {ledger}: {vouchers} vouchers booked")
        self.console.print("", books.trial_balance(connection), "", sep="\n")
        balanced = not any(books.totals(connection).values())
        self.verdict(f"Debits and credits are equal to the last digit: {balanced}", good=balanced)

        self.say(f"Back to Pleo: {books.outbox(connection)} updates are in the outbox; then the jobs are completed")
        project.settings |= {"TARGET_PLEO_EXPORT_START_JOBS": "true", "TARGET_PLEO_EXPORT_COMPLETE_JOBS": "true"}
        self.run(project, OUTBOX)
        self.console.print("", books.jobs_in_pleo(jobs), "", sep="\n")
        ended = books.all_ended(jobs)
        first = books.sent(pleo)

        self.say("Again, including ended jobs: everything is reported, so the outbox is empty")
        project.settings["TAP_PLEO_EXPORT_JOB_STATUSES"] = json.dumps(["pending", "in_progress", *books.ENDED])
        self.run(project, (*LOAD, *OUTBOX[1:]))
        waiting, second = books.outbox(connection), books.sent(pleo)
        settled = ended and not waiting and second == first
        text = f"All jobs completed, all items final: {ended}; left in the outbox: {waiting}"
        return self.verdict(text, good=settled) and balanced

    def report(self, pleo: Sandbox, connection: psycopg.Connection[Any]) -> bool:
        """Print the loaded data, and return whether it equals the sandbox's."""
        for table in (report.jobs, report.types, report.checks, report.reasons):
            self.console.print(table(connection), "", sep="\n")
        self.console.print(report.amounts(pleo, connection), "", sep="\n")
        text, equal = report.check(pleo, connection)
        return self.verdict(text, good=equal)


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


def main() -> int:
    """Run the demo in the checkout's ``.demo`` directory."""
    signal.signal(signal.SIGTERM, stop)
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    demo = Demo(console)
    os.chdir(CHECKOUT)
    try:
        with Sandbox.demo() as pleo, postgres.running(DATA, fresh=True) as server:
            equal = demo.play(pleo, server)
    except (DemoError, postgres.PostgresError) as error:
        console.print(f"[bold red]{escape(str(error))}[/]")
        return 1
    except KeyboardInterrupt:
        console.print("[yellow]Stopped.[/]")
        return 128 + signal.SIGINT
    demo.say(f"[bold]The bookkeeper's page: {PAGE}[/] (open it in a browser)")
    demo.say("Sandbox and PostgreSQL are stopped; the data stays until the next demo. To query it:")
    look = f"{os.path.relpath(sys.executable)} -m tools.postgres {DATA}"
    console.print(f'\n  {look}\n  {look} "{report.EXAMPLE}"\n', markup=False)
    return 0 if equal else 1


if __name__ == "__main__":
    raise SystemExit(main())
