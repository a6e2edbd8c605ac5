"""A stand-in for an accounting system: it books the models, and its results are reported to Pleo."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from demo import report
from demo.report import new_table, short
from tools.postgres import PORT, USER

if TYPE_CHECKING:
    from decimal import Decimal

    import psycopg
    from rich.table import Table

    from sandbox import Sandbox
    from sandbox.jobs import Job
    from tools.postgres import Postgres

LEDGER = Path(__file__).parent / "ledger.sql"
EVENTS = "/v3/export-job-events"
ENDED = ("completed", "completed_with_errors")
FINAL = ("successful", "failed")

_BALANCE = """
    SELECT account, currency, count(*), sum(amount) FILTER (WHERE amount > 0), -sum(amount) FILTER (WHERE amount < 0)
    FROM books.ledger GROUP BY 1, 2 ORDER BY 2, 1
"""
_TOTALS = "SELECT currency, sum(amount) FROM books.ledger GROUP BY 1 ORDER BY 1"
_SETTLED = 'SELECT count(*) FROM pleo_models."pleo__item_updates"'


def outbox_settings(server: Postgres) -> dict[str, str]:
    """Return the settings of ``tap-pleo-outbox``, which requires a password even if the server does not."""
    socket = quote(str(server.socket), safe="")
    url = f"postgresql+psycopg2://{USER}:none@localhost/{USER}?host={socket}&port={PORT}"
    return {"TAP_PLEO_OUTBOX_SQLALCHEMY_URL": url}


def book(connection: psycopg.Connection[Any]) -> int:
    """Book new journal entries, and return the number of vouchers."""
    connection.execute(LEDGER.read_text("utf-8"))
    (count,) = connection.execute("SELECT count(*) FROM books.vouchers").fetchall()[0]
    return int(count)


def trial_balance(connection: psycopg.Connection[Any]) -> Table:
    """Return debits and credits by account and currency, in major units, and their difference."""
    table = new_table("Trial balance", "account", "currency", right=("rows", "debit", "credit"))
    for account, currency, rows, debit, credit in connection.execute(_BALANCE):
        table.add_row(account, currency, str(rows), _money(debit), _money(credit))
    table.add_section()
    for currency, total in totals(connection).items():
        table.add_row("difference", currency, "", _money(total), "")
    return table


def totals(connection: psycopg.Connection[Any]) -> dict[str, Decimal]:
    """Return the exact sum of the ledger by currency."""
    return dict(connection.execute(_TOTALS).fetchall())


def outbox(connection: psycopg.Connection[Any]) -> int:
    """Return the number of updates in the outbox."""
    return int(connection.execute(_SETTLED).fetchall()[0][0])


def sent(pleo: Sandbox) -> tuple[int, int]:
    """Return how many requests have changed items and jobs so far."""
    return report.sent(pleo), len(pleo.requests_to(EVENTS))


def jobs_in_pleo(jobs: list[Job]) -> Table:
    """Return the jobs' final status in Pleo."""
    table = new_table("Export jobs in Pleo, at the end", "job", "status", right=(*FINAL, "open", "with external id"))
    for job in jobs:
        count = Counter(job.item_statuses.values())
        known = sum(bool(outcome.get("externalId")) for outcome in job.outcomes.values())
        still_open = len(job.item_statuses) - sum(count[status] for status in FINAL)
        final = (str(count[status]) for status in FINAL)
        table.add_row(short(job.id), str(job.record["status"]), *final, str(still_open), str(known))
    return table


def all_ended(jobs: list[Job]) -> bool:
    """Return whether all jobs are completed, all items final, and all successful ones have an external id."""
    return all(
        job.record["status"] in ENDED
        and all(
            status == "failed" or (status == "successful" and job.outcomes[entry].get("externalId"))
            for entry, status in job.item_statuses.items()
        )
        for job in jobs
    )


def _money(value: Decimal | None) -> str:
    return "" if value is None else f"{value:,}"
