"""Everything is invoiced, paid and reimbursed: the books close, and the wallet's balance is Pleo's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox import Job, Sandbox
from sandbox.balances import Balances
from sandbox.items import Company
from sandbox.jobs import FINAL_EVENTS, RUNNING
from sandbox.worlds import populate
from tests.helpers.warehouse import Warehouse, load
from tests.transform.bean_check import check, ledger
from tools.postgres import Postgres

# The first test loads and builds twice.
pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(900)]

WORLDS = ("demo", "settled", "settled_other_signs", "repeated")
ACCOUNTS = {
    "wallet": "1240", "outOfPocket": "2890", "contra": "1910", "accountsPayable": "2440", "fees": "7770",
    "otherIncome": "3990",
}  # fmt: skip
MAPPING = {"configuration": [{"companyId": "*", "journal": "PLEO", "accounts": ACCOUNTS}]}
DATABASE = "settlement"
KEPT = {*RUNNING, "successful"}
RECORD = """
    insert into pleo_recorded (voucher_id, external_id, recorded_at)
    select voucher_id, voucher_id, current_timestamp from pleo__vouchers_to_book where accounting_entry_id in ({})
"""
GIVE_BALANCE = "insert into pleo_balances (company_id, currency, balance_date, balance) values ('{}', '{}', '{}', {})"


@dataclass
class Closed:
    """A sandbox whose jobs have ended.

    Attributes:
        pleo: The sandbox.
        companies: Those of each world.
        cancelled: The job that a user cancels midway.
        delivered: Open items when they were read, by job and entry.
    """

    pleo: Sandbox
    companies: dict[str, list[Company]]
    cancelled: Job
    delivered: set[tuple[str, str]] = field(default_factory=set)

    def read(self) -> None:
        """Note the items that are open now."""
        for job in self.pleo.jobs.values():
            if job.running:
                self.delivered |= {(job.id, entry) for entry, status in job.item_statuses.items() if status in RUNNING}

    def expected(self, company: Company) -> dict[str, Decimal]:
        """Return the sandbox's balances of everything that was or will be exported, by role, in major units."""
        exported = self.pleo.entries(
            company.id,
            lambda job, entry: (job.id, entry) in self.delivered and job.item_statuses[entry] in KEPT,
        )
        return {role: cents / 100 for role, cents in Balances.after(exported).pots(company.currency).items()}


def record(warehouse: Warehouse, cancelled: Job) -> set[str]:
    """Record the vouchers, but two entries only of the job to be cancelled; return the entries with vouchers."""
    booked = {entry for (entry,) in warehouse.rows("select distinct accounting_entry_id from pleo__vouchers_to_book")}
    entries = booked - set(list(cancelled.item_statuses)[2:])
    warehouse.rows(RECORD.format(", ".join(f"'{entry}'" for entry in entries)), "select 1")
    return entries


def export(pleo: Sandbox, entries: set[str], cancelled: Job) -> None:
    """Report these entries as successful, all others as failed; a user cancels one job midway."""
    for job in [job for job in pleo.jobs.values() if job.running]:
        for entry in job.item_statuses:
            if entry.lower() in entries:
                job.update(entry, {"status": "successful"}, pleo.now())
            elif job is not cancelled:
                job.update(entry, {"status": "failed"}, pleo.now())
        if job is cancelled:
            pleo.cancel(job)
        else:
            job.finish("completed", pleo.now())
            pleo.ended(job)


@pytest.fixture(scope="module")
def closed() -> Iterator[Closed]:
    with Sandbox() as pleo:
        companies: dict[str, list[Company]] = {}
        for world in WORLDS:
            before = len(pleo.companies)
            populate(pleo, world)
            companies[world] = list(pleo.companies.values())[before:]
        yield Closed(pleo, companies, list(pleo.jobs.values())[-1])


@pytest.fixture(scope="module")
def built(closed: Closed, server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Warehouse]:
    server.create_database(DATABASE)
    folder = tmp_path_factory.mktemp("load")
    files = load(closed.pleo, server, DATABASE, folder, MAPPING)
    made = {
        kind: Warehouse(kind, tmp_path_factory.mktemp(kind), server, DATABASE, files) for kind in ("postgres", "duckdb")
    }
    booked = []
    for warehouse in made.values():
        warehouse.build()
        booked.append(record(warehouse, closed.cancelled))
    assert booked[0] == booked[1]
    closed.read()
    export(closed.pleo, booked[0], closed.cancelled)
    closed.read()
    load(closed.pleo, server, DATABASE, folder, MAPPING, job_statuses=["pending", "in_progress", *FINAL_EVENTS])
    for warehouse in made.values():
        warehouse.build()
    return made


@pytest.fixture(params=["postgres", "duckdb"])
def books(request: pytest.FixtureRequest, built: dict[str, Warehouse]) -> Warehouse:
    return built[request.param]


def balances(books: Warehouse, company: Company) -> dict[str, Decimal]:
    """Return the balances of vouchers that are recorded, or to be."""
    rows = books.rows(
        "select lines.role, sum(lines.amount) from pleo__voucher_lines as lines inner join pleo__vouchers as vouchers "
        f"on vouchers.voucher_id = lines.voucher_id where vouchers.company_id = '{company.id}' and lines.voucher_id in "
        "(select voucher_id from pleo_recorded union all select voucher_id from pleo__vouchers_to_book) "
        "group by lines.role"
    )
    found = dict(rows)
    return {role: found.get(role, Decimal(0)) for role in Balances().pots(company.currency)}


@pytest.mark.parametrize("world", WORLDS)
def test_balances_are_those_of_the_sandbox(books: Warehouse, closed: Closed, world: str) -> None:
    companies = closed.companies[world]

    assert [balances(books, company) for company in companies] == [closed.expected(company) for company in companies]


@pytest.mark.parametrize("world", ["settled", "settled_other_signs"])
def test_nothing_is_owed_or_in_transit_once_all_is_settled(books: Warehouse, closed: Closed, world: str) -> None:
    (company,) = closed.companies[world]
    found = balances(books, company)
    # The bank statement books the other side of money in transit.
    statement = Balances.after(closed.pleo.entries(company.id)).bank[company.currency] / 100

    assert {found["accountsPayable"], found["outOfPocket"], found["contra"] - statement} == {Decimal(0)}
    assert statement
    assert found["wallet"] == closed.expected(company)["wallet"]


@pytest.mark.parametrize("world", ["settled", "settled_other_signs"])
def test_the_checks_of_the_accounts_agree(books: Warehouse, closed: Closed, world: str) -> None:
    (company,) = closed.companies[world]
    balance = closed.expected(company)["wallet"]
    (found,) = books.rows(
        "begin",
        GIVE_BALANCE.format(company.id, company.currency, closed.pleo.now().date(), balance),
        "select count(*) filter (where status <> 'ok') from pleo__account_checks "
        f"where company_id = '{company.id}' and check_name <> 'transit'",
    )

    assert found == (0,)


def test_an_entry_that_comes_again_is_reversed_and_replaced(books: Warehouse, closed: Closed) -> None:
    entries = [entry.lower() for entry in closed.cancelled.item_statuses]
    rows = books.rows("select accounting_entry_id, kind, amount from pleo__vouchers order by voucher_id")
    kinds = {entry: [kind for known, kind, _ in rows if known == entry] for entry in entries}

    replaced, reversed_ = ["booking", "reversal", "booking"], ["booking", "reversal"]
    assert [kinds[entry] for entry in entries] == [replaced, ["booking"], *[replaced, reversed_] * 3]
    assert all(sum(amount for known, _, amount in rows if known == entry) == 0 for entry in entries[3::2])


def test_an_independent_judge_accepts_every_voucher(books: Warehouse, tmp_path: Path) -> None:
    assert check(ledger(books), tmp_path) == ""
