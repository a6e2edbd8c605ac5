"""A simple accounting system: it books the models, and its results are reported to Pleo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from demo.report import major, new_table
from sandbox.balances import Balances
from sandbox.jobs import RUNNING
from sandbox.settling import export_again, export_corrected
from tools.postgres import PORT, USER

if TYPE_CHECKING:
    from decimal import Decimal

    import psycopg
    from rich.table import Table

    from sandbox import Sandbox
    from sandbox.jobs import Job
    from tools.postgres import Postgres

Items = set[tuple[str, str]]
"""Job items, by job and accounting entry."""
LEDGER = Path(__file__).parent / "ledger.sql"
ENDED = ("completed", "completed_with_errors")

_BALANCE = """
    SELECT ledger.role, accounts, currency, sum(amount)
    FROM books.ledger AS ledger
    JOIN (SELECT role, string_agg(DISTINCT account, ' ') AS accounts FROM books.ledger GROUP BY 1) AS roles USING (role)
    GROUP BY 1, 2, 3 ORDER BY 2
"""
_TOTALS = "SELECT currency, sum(amount) FROM books.ledger GROUP BY 1 ORDER BY 1"
_POTS = "SELECT company_id, role, sum(amount) * 100 FROM books.ledger GROUP BY 1, 2"
_BASIS = """
    SELECT basis, type || coalesce('/' || sub_type, ''), string_agg(DISTINCT document, ', '), count(*)
    FROM pleo_models.pleo__vouchers WHERE kind = 'booking' AND basis LIKE '%assumption%'
    GROUP BY 1, 2 ORDER BY 1, 2
"""
_REVERSALS = "SELECT count(*) FROM pleo_models.pleo__vouchers WHERE kind = 'reversal'"
_OUTBOX = 'SELECT count(*) FROM pleo_models."pleo__item_updates"'


def outbox_settings(server: Postgres, database: str = USER) -> dict[str, str]:
    """Return the settings of ``tap-pleo-outbox``, which requires a password even if the server does not."""
    socket = quote(str(server.socket), safe="")
    url = f"postgresql+psycopg2://{USER}:none@localhost/{database}?host={socket}&port={PORT}"
    return {"TAP_PLEO_OUTBOX_SQLALCHEMY_URL": url}


def book(connection: psycopg.Connection[Any]) -> int:
    """Book new vouchers, and return the number of all vouchers."""
    connection.execute(LEDGER.read_text("utf-8"))
    return _count(connection, "SELECT count(*) FROM books.vouchers")


def reversals(connection: psycopg.Connection[Any]) -> int:
    """Return the number of reversals."""
    return _count(connection, _REVERSALS)


def trial_balance(connection: psycopg.Connection[Any]) -> Table:
    """Return the balance of each role by currency, in major units, debits positive, and the sums."""
    sums = totals(connection)
    table = new_table("Trial balance, debits positive", "role", "accounts", right=tuple(sums))
    found: dict[tuple[str, str], dict[str, Decimal]] = {}
    for role, accounts, currency, amount in connection.execute(_BALANCE):
        found.setdefault((role, accounts), {})[currency] = amount
    for (role, accounts), balances in found.items():
        table.add_row(role, accounts, *(_money(balances.get(currency)) for currency in sums))
    table.add_section()
    table.add_row("sum", "", *map(_money, sums.values()))
    return table


def totals(connection: psycopg.Connection[Any]) -> dict[str, Decimal]:
    """Return the exact sum of the ledger by currency."""
    return dict(connection.execute(_TOTALS).fetchall())


def outbox(connection: psycopg.Connection[Any]) -> int:
    """Return the number of updates in the outbox."""
    return _count(connection, _OUTBOX)


def agreement(pleo: Sandbox, exported: Items, connection: psycopg.Connection[Any]) -> tuple[Table, bool]:
    """Return the sandbox's balances by company next to those of the books, and whether they are equal.

    Args:
        pleo: The sandbox.
        exported: The items in the books.
        connection: Connection to PostgreSQL.
    """
    right = ("wallet in Pleo", "not exported", "exported", "to suppliers", "to employees", "in transit")
    table = new_table("Pleo's balances, and the books", "company", "currency", right=right)
    table.add_column("books")
    found = {(company, role): sum_ for company, role, sum_ in connection.execute(_POTS)}
    equal = True
    for company in pleo.companies.values():
        booked = Balances.after(pleo.entries(company.id, lambda job, entry: (job.id, entry) in exported)).pots(
            company.currency
        )
        total = Balances.after(pleo.entries(company.id)).pots(company.currency)["wallet"]
        differences = {
            role: found.get((company.id, role), 0) - expected
            for role, expected in booked.items()
            if found.get((company.id, role), 0) != expected
        }
        equal = equal and not differences
        amounts = (total, total - booked["wallet"], *booked.values())
        verdict = ", ".join(f"{role} {major(cents)}" for role, cents in differences.items()) or "equal"
        table.add_row(str(company.record["name"]), company.currency, *map(major, amounts), verdict)
    return table, equal


def open_items(pleo: Sandbox) -> Items:
    """Return the items that are to be exported."""
    return {
        (job.id, entry)
        for job in pleo.jobs.values()
        if job.running
        for entry, status in job.item_statuses.items()
        if status in RUNNING
    }


def correct(pleo: Sandbox, items: Items) -> Job:
    """Export the failed items again, corrected, and return the running job that exports successful ones again."""
    export_failed(pleo, [pleo.jobs[job] for job in sorted({job for job, _ in items})])
    done = {entry for job, entry in items if pleo.jobs[job].item_statuses[entry] == "successful"}
    again = next(job for job in pleo.jobs.values() if job.running and done & job.item_statuses.keys())
    pleo.afterwards[again.id] = export_again
    return again


def export_failed(pleo: Sandbox, jobs: list[Job]) -> None:
    """Export the failed items of jobs again, corrected."""
    for job in jobs:
        if "failed" in job.item_statuses.values():
            export_corrected(pleo, job)


def assumptions(connection: psycopg.Connection[Any]) -> Table:
    """Return the rows of the booking table that rest on assumptions, with the number of their vouchers."""
    table = new_table("Bookings that rest on assumptions", "basis", "type", "documents", right=("vouchers",))
    for basis, type_, documents, vouchers in connection.execute(_BASIS):
        table.add_row(basis, type_, documents, str(vouchers))
    return table


def all_ended(jobs: list[Job]) -> bool:
    """Return whether all jobs are completed, and all items failed, or successful with an external id if booked."""
    return all(job.record["status"] in ENDED and all(_is_final(job, item) for item in job.items) for job in jobs)


def _is_final(job: Job, item: dict[str, Any]) -> bool:
    entry, is_booked = item["accountingEntryId"], item["amount"]["inWalletCurrency"]["value"] != 0
    status, known = job.item_statuses[entry], bool(job.outcomes[entry].get("externalId"))
    return status == "failed" or (status == "successful" and (known or not is_booked))


def _count(connection: psycopg.Connection[Any], query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])


def _money(value: Decimal | None) -> str:
    return "" if value is None else f"{value:,}"
