"""``make erp-demo``: two companies of a local Pleo, booked in a local Tryton, and reported back to Pleo."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from demo import books
from demo.__main__ import LOAD, MODELS, OUTBOX, Demo, DemoError, perform, reporting_settings, settings
from demo.report import new_table
from sandbox import Sandbox
from tap_pleo_export.books.database import URL_VARIABLE
from tap_pleo_export.ledger.tryton_rpc import PASSWORD_VARIABLE, TrytonRpc
from tools import postgres, tryton
from tools.meltano import MeltanoProject

if TYPE_CHECKING:
    import psycopg
    from rich.console import Console

HOME = Path(".demo") / "erp"
DATA, RECEIPTS, CONFIGURATION = HOME / "postgres", HOME / "receipts", HOME / "books.toml"
WORLDS = ("settled", "settled_other_signs")
MAX_ROUNDS = 5
PAYABLE, EMPLOYEES, TRANSIT = "2440", "2890", "1910"
"""Accounts in `meltano.yml`."""
# Later roles win where an account has several.
KINDS = {
    "line": "expense",
    "fees": "expense",
    "otherIncome": "income",
    "wallet": "asset",
    "contra": "asset",
    "externalReimbursement": "asset",
    "ingoingTax": "tax",
    "outgoingTax": "tax",
    "outOfPocket": "employee",
    "accountsPayable": "payable",
}
_ACCOUNTS = """
    SELECT company_id, role, coalesce(account_code, account_identifier), max(account_name)
    FROM pleo_models.pleo__vouchers JOIN pleo_models.pleo__voucher_lines USING (voucher_id)
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_DAYS = "SELECT company_id, min(posting_date), max(posting_date) FROM pleo_models.pleo__vouchers GROUP BY 1"
_BALANCES = """
    SELECT company_id, coalesce(account_code, account_identifier), sum(l.amount)
    FROM pleo_models.pleo__vouchers JOIN pleo_models.pleo__voucher_lines AS l USING (voucher_id)
    GROUP BY 1, 2 HAVING sum(l.amount) <> 0 ORDER BY 1, 2
"""
_NUMBERS = "SELECT external_id FROM pleo_models.pleo_recorded"
_FILES = """
    SELECT DISTINCT path FROM pleo_models.pleo__vouchers
    JOIN pleo_models.pleo_recorded USING (voucher_id), json_array_elements_text(files::json) AS path
    WHERE kind = 'booking'
"""
Balances = dict[tuple[str, str], Decimal]
"""Balances by company and account, without those of zero."""


class ErpDemo(Demo):
    """One run of the demo, on a console."""

    def play(self, pleo: Sandbox, server: postgres.Postgres) -> bool:
        """Load, book, report and correct until all jobs have ended; return whether every check passes."""
        first, second = pleo.companies.values()
        self.say(f"Local Pleo on {pleo.url}: {first.record['name']} in {first.currency}, and one in {second.currency}")
        project = MeltanoProject(HOME.resolve() / "meltano", settings(pleo, server, RECEIPTS) | reporting_settings())
        pleo.serve_files = True
        self.run(project, (*LOAD, *MODELS[1:]))
        with server.connect() as connection:
            world, missing = _chart(pleo, connection)
            closed = world["companies"][0]["closed"][0]
            with tryton.running(server, world, folder=HOME.resolve() / "tryton") as erp:
                self.say(f"Tryton on {erp.url}: {', '.join(erp.companies)}")
                self.say(f"The first has closed the month of {closed}; the second has no account {missing}")
                _write_configuration(pleo, erp)
                reasons = self.rounds(project, pleo, server, erp)
                return self.check(pleo, connection, erp, reasons)

    def rounds(
        self, project: MeltanoProject, pleo: Sandbox, server: postgres.Postgres, erp: tryton.Tryton
    ) -> Counter[str]:
        """Book and report until no job is left; return the reasons of failed items in Pleo."""
        reasons: Counter[str] = Counter()
        for number in range(1, MAX_ROUNDS + 1):
            running = [job for job in pleo.jobs.values() if job.running]
            if not running:
                break
            self.console.print()
            if number > 1:
                self.run(project, (*LOAD, *MODELS[1:]))
            self.book_vouchers(server, erp)
            # The models fail the items of refused vouchers.
            self.run(project, (*MODELS, *OUTBOX[1:]))
            outcomes = [outcome for job in running for outcome in job.outcomes.values()]
            failed = Counter(outcome["failureReason"] for outcome in outcomes if "failureReason" in outcome)
            for reason, items in sorted(failed.items()):
                self.say(f"[yellow]Failed in Pleo ({items}):[/] {escape(reason)}")
            reasons += failed
            if failed:
                self.say("A bookkeeper corrects the items in Pleo, reopens the month in Tryton, and exports them again")
                _reopen(erp)
                books.export_failed(pleo, running)
        return reasons

    def book_vouchers(self, server: postgres.Postgres, erp: tryton.Tryton) -> None:
        """Run `pleo-export-book`."""
        arguments = ["--config", str(CONFIGURATION)]
        self.say(f"[bold]pleo-export-book {escape(' '.join(arguments))}[/]")
        environment = os.environ | {URL_VARIABLE: server.url(), PASSWORD_VARIABLE: erp.password}
        program = Path(sys.executable).with_name("pleo-export-book")
        run = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, encoding="utf-8", check=False
        )
        for line in (run.stdout + run.stderr).splitlines():
            if not line.startswith("METRIC"):
                self.say(f"[cyan]book    [/]{escape(line)}")
        if run.returncode:
            raise DemoError(f"pleo-export-book ended with exit code {run.returncode}")

    def check(
        self, pleo: Sandbox, connection: psycopg.Connection[Any], erp: tryton.Tryton, reasons: Counter[str]
    ) -> bool:
        """Print the trial balance, and return whether Tryton, the warehouse and Pleo agree."""
        rpc = TrytonRpc(erp.url, erp.database, erp.user, erp.password)
        names = {company.id: str(company.record["name"]) for company in pleo.companies.values()}
        kept = {(names[company], account): sum_ for company, account, sum_ in connection.execute(_BALANCES)}
        booked = _balances(rpc)
        table = new_table("Trial balance, debits positive", "company", "account", right=("Tryton", "warehouse"))
        for key in sorted(kept.keys() | booked.keys()):
            table.add_row(*key, *(f"{found.get(key, Decimal(0)):,.2f}" for found in (booked, kept)))
        self.console.print("", table, "", sep="\n")
        unpaid = rpc.search("account.invoice", [("state", "=", "posted")], ["number"])
        owed = {key: amount for key, amount in booked.items() if key[1] == PAYABLE}
        numbers = {number for (number,) in connection.execute(_NUMBERS)}
        outcomes = [outcome for job in pleo.jobs.values() for outcome in job.outcomes.values()]
        reported = {outcome["externalId"] for outcome in outcomes if outcome.get("externalId")}
        have_ended = books.all_ended(list(pleo.jobs.values()))
        files, equal_files = _receipts(rpc, connection)
        arrived = all(
            any(text in reason for reason in reasons) for text in ("is closed in", "does not exist in Tryton")
        )
        verdicts = {
            f"Tryton's {len(booked)} balances are the warehouse's": booked == kept,
            f"Nothing is owed to vendors, {len(unpaid)} invoices are open": not unpaid and not owed,
            f"{len(pleo.jobs)} jobs are completed in Pleo, and every item is final": have_ended,
            f"{len(reported)} external ids in Pleo are numbers of Tryton": bool(reported) and reported <= numbers,
            "Pleo shows the closed month and the unknown account as reasons": arrived,
            f"{files} receipts are in Tryton, with equal bytes": equal_files and files > 0,
        }
        rpc.close()
        shown = [self.verdict(f"{text}: {'yes' if good else 'NO'}", good=good) for text, good in verdicts.items()]
        return all(shown)


def _chart(pleo: Sandbox, connection: psycopg.Connection[Any]) -> tuple[dict[str, Any], str]:
    """Return Tryton's companies with the accounts of the vouchers, less one, and the code of that one."""
    found: dict[str, dict[str, tuple[str, str]]] = {company: {} for company in pleo.companies}
    for company, role, code, name in connection.execute(_ACCOUNTS):
        known = found[company].get(code, ("line", ""))[0]
        found[company][code] = max(role, known, key=list(KINDS).index), name or code
    for accounts in found.values():
        for code, role in ((PAYABLE, "accountsPayable"), (EMPLOYEES, "outOfPocket"), (TRANSIT, "contra")):
            accounts.setdefault(code, (role, role))
    days = {company: (first, last) for company, first, last in connection.execute(_DAYS)}
    missing = max(code for code, (role, _) in found[list(found)[1]].items() if role == "line")
    del found[list(found)[1]][missing]
    years = {day.year for both in days.values() for day in both} | {datetime.now(UTC).year}
    closed = days[next(iter(found))][0].replace(day=1).isoformat()
    companies = [
        {
            "name": pleo.companies[company].record["name"],
            "currency": pleo.companies[company].currency,
            "closed": [] if number else [closed],
            "accounts": [
                {"code": code, "name": name, "kind": KINDS[role]} for code, (role, name) in sorted(accounts.items())
            ],
        }
        for number, (company, accounts) in enumerate(found.items())
    ]
    return {"years": sorted(years), "companies": companies}, missing


def _write_configuration(pleo: Sandbox, erp: tryton.Tryton) -> None:
    names = {company.id: json.dumps(company.record["name"]) for company in pleo.companies.values()}
    companies = "".join(f'"{company}" = {name}\n' for company, name in names.items())
    options = f'url = "{erp.url}"\ndatabase = "{erp.database}"\nuser = "{erp.user}"\n'
    text = f'adapter = "tryton"\nreceipts = "receipts"\n\n[companies]\n{companies}\n[options]\n{options}'
    CONFIGURATION.write_text(text, encoding="utf-8")


def _reopen(erp: tryton.Tryton) -> None:
    rpc = TrytonRpc(erp.url, erp.database, "admin", erp.password)
    closed = [row["id"] for row in rpc.search("account.period", [("state", "=", "closed")], ["id"])]
    if closed:
        rpc.call("model.account.period.reopen", closed)
    rpc.close()


def _balances(rpc: TrytonRpc) -> Balances:
    sums: Counter[tuple[str, str]] = Counter()
    fields = ["company.party.name", "account.code", "debit", "credit"]
    for row in rpc.search("account.move.line", [("move_state", "=", "posted")], fields):
        key = row["company."]["party."]["name"], row["account."]["code"]
        sums[key] += row["debit"] - row["credit"]
    return {key: Decimal(amount) for key, amount in sums.items() if amount}


def _receipts(rpc: TrytonRpc, connection: psycopg.Connection[Any]) -> tuple[int, bool]:
    """Return the number of attachments, and whether their contents are the stored files of the booked vouchers."""
    stored = [(RECEIPTS / path).read_bytes() for (path,) in connection.execute(_FILES)]
    attached = [row["data"] for row in rpc.search("ir.attachment", [], ["data"])]
    hashes = [{hashlib.sha256(data).digest() for data in found} for found in (stored, attached)]
    return len(attached), hashes[0] == hashes[1]


def play(console: Console) -> bool:
    """Run the demo in the checkout's ``.demo/erp`` directory, and return whether every check passes."""
    shutil.rmtree(HOME, ignore_errors=True)
    demo = ErpDemo(console)
    tryton.copy_cluster(DATA)
    with Sandbox.holding(*WORLDS) as pleo, postgres.running(DATA) as server:
        return demo.play(pleo, server)


if __name__ == "__main__":
    raise SystemExit(perform(play, tryton.TrytonError))
