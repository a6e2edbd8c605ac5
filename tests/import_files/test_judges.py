"""Files of the voucher world, read by judges; each compares the balances of accounts with the vouchers'.

DATEV: mloda-community-german-ledger, and the table of DATEV's field patterns. SIE: a strict reader that we wrote, for
want of another. All: beancount, to which every file is translated, with the vouchers' balances as assertions.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tap_pleo_export.books.database import Books
from tap_pleo_export.books.vouchers import Voucher
from tap_pleo_export.import_files import csv_journal, datev, sie
from tap_pleo_export.import_files.batch import Batch, File, Written
from tests.conftest import CHECKOUT
from tests.helpers import datev_fields, sie_reader, voucher_records
from tests.helpers.made_vouchers import balances
from tests.helpers.voucher_world import VARS
from tests.helpers.voucher_world import world as voucher_world
from tests.helpers.warehouse import Warehouse
from tests.transform import bean_check
from tools import postgres as pg

pytestmark = pytest.mark.ledger

JUDGE = CHECKOUT / ".meltano" / "judges" / "bin" / "python"
MLODA = """
import collections, json, sys
from mloda.community.feature_groups.experimental.german_ledger import datev
sums = collections.Counter()
for path in sys.argv[1:]:
    _, legs = datev.read_batch(path)
    for account, amount in zip(legs["Konto"], legs["Betrag"], strict=True):
        sums[account] += amount
print(json.dumps({account: str(amount) for account, amount in sums.items() if amount}))
"""
DATEV = datev.DatevOptions(
    consultant=29098,
    client=55003,
    vendors={"V-1": "70001"},
    employees={"17": "17017"},
    tax_keys={"T19": "9", "R19": "", "T7": "8"},
    cost_centre_1="COST_CENTRE",
)
SIE = sie.SieOptions(company_name="Acme AB", currency="EUR", allow_gross=True, cost_centre="COST_CENTRE")
Transaction = tuple[date, list[tuple[str, Decimal]]]


@pytest.fixture(scope="module")
def built(server: pg.Postgres, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The world of vouchers, built by dbt: with split VAT, and with codes in another schema."""
    folder = tmp_path_factory.mktemp("judged")
    server.create_database("judged")
    made = Warehouse("postgres", folder, server, "judged", folder)
    voucher_world()[0].into(made)
    made.build("--exclude-resource-type", "test", "--vars", json.dumps(VARS))
    codes = replace(made, schema="code_models")
    codes.build("--exclude-resource-type", "test", "--vars", json.dumps(VARS | {"pleo_vat": "code"}))
    return made


@pytest.fixture(scope="module", params=["pleo_models", "code_models"])
def vouchers(request: pytest.FixtureRequest, built: Warehouse) -> list[Voucher]:
    with Books(built.server.url(built.database), request.param) as books:
        found = [voucher for company in books.companies() for voucher in books.waiting(company)]
    assert len(found) > 100
    return found


def batches(vouchers: Iterable[Voucher]) -> Iterator[tuple[Batch, list[Voucher]]]:
    """Yield the batch of each month with its vouchers."""
    months = defaultdict(list)
    for voucher in vouchers:
        months[voucher.posting_date.replace(day=1)].append(voucher)
    for number, (month, own) in enumerate(sorted(months.items()), 1):
        yield Batch(voucher_records.COMPANY, month, number, datetime(2026, 12, 1, tzinfo=UTC)), own


def require_all(written: Written, vouchers: list[Voucher]) -> list[Voucher]:
    """Return the vouchers in files; every other one is refused."""
    taken = [voucher_id for file in written.files for voucher_id in file.vouchers]
    assert sorted([*taken, *(refusal.voucher_id for refusal in written.refusals)]) == sorted(v.id for v in vouchers)
    return [voucher for voucher in vouchers if voucher.id in set(taken)]


def personal(voucher: Voucher) -> Voucher:
    """Return a voucher with the personal accounts of the options."""
    own = {
        "accountsPayable": DATEV.vendors.get(voucher.vendor.code),
        "outOfPocket": DATEV.employees.get(voucher.employee.code),
    }
    return replace(voucher, legs=tuple(replace(leg, account=own.get(leg.role) or leg.account) for leg in voucher.legs))


def judge(files: list[File], folder: Path) -> dict[str, Decimal]:
    """Return the balances that the judge reads from EXTF files."""
    assert JUDGE.exists(), "not installed: run 'make test-ledger'"
    for file in files:
        (folder / file.name).write_bytes(file.content)
    command = [str(JUDGE), "-c", MLODA, *(str(folder / file.name) for file in files)]
    read = subprocess.run(command, check=False, capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    return {account: Decimal(amount) for account, amount in json.loads(read.stdout).items()}


def in_beancount(transactions: Iterable[Transaction], expected: dict[str, Decimal], folder: Path) -> None:
    """Let beancount check transactions, and the balances that they must lead to."""
    lines = ['option "tolerance_multiplier" "0"', *(f"1900-01-01 open Assets:A{account}" for account in expected)]
    known = set(expected)
    for day, legs in transactions:
        lines += [f"1900-01-01 open Assets:A{account}" for account in {account for account, _ in legs} - known]
        known |= {account for account, _ in legs}
        lines += [f'{day} * "voucher"', *(f"  Assets:A{account}  {amount:f} EUR" for account, amount in legs)]
    lines += [f"2100-01-01 balance Assets:A{account}  {amount:f} ~ 0 EUR" for account, amount in expected.items()]
    assert bean_check.check("\n".join(lines) + "\n", folder) == ""


def extf_transactions(file: File) -> Iterator[Transaction]:
    for row in datev_fields.check(file.content):
        amount = Decimal(row[0].replace(",", ".")) * (1 if row[1] == "S" else -1)
        year = int(file.name.split("_")[3][:4])
        yield date(year, int(row[9][2:]), int(row[9][:2])), [(row[6], amount), (row[7], -amount)]


def test_datev_files_have_the_vouchers_balances(vouchers: list[Voucher], tmp_path: Path) -> None:
    found = [(datev.write(own, DATEV, batch), own) for batch, own in batches(vouchers)]
    taken = [personal(voucher) for written, own in found for voucher in require_all(written, own)]
    files = [file for written, _ in found for file in written.files]

    assert len(taken) > len(vouchers) / 2
    assert len(files) > 1
    expected = balances(taken)
    assert judge(files, tmp_path) == expected
    in_beancount(itertools.chain.from_iterable(map(extf_transactions, files)), expected, tmp_path)


def test_refusals_of_datev_have_known_reasons(vouchers: list[Voucher]) -> None:
    known = (
        *("in JPY", "in KWD", "in XBT", "more than 10 digits", "is not a number", "has the amount 0.00"),
        *("tags of", "cannot be a cost centre", "give the code a BU key", "of the same entry"),
    )
    refusals = [each for batch, own in batches(vouchers) for each in datev.write(own, DATEV, batch).refusals]

    assert [refusal for refusal in refusals if not any(text in refusal.reason for text in known)] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(b"119,00", b"119.00"), (b'"S"', b'"X"'), (b";1240;", b";124000;"), (b";0511;", b";0512;")],
)
def test_the_judges_of_datev_see_wrong_files(
    vouchers: list[Voucher], right: bytes, wrong: bytes, tmp_path: Path
) -> None:
    (file,) = next(
        w.files
        for w in (datev.write(own, DATEV, batch) for batch, own in batches(vouchers))
        if right in w.files[0].content
    )
    broken = replace(file, content=file.content.replace(right, wrong, 1))

    with pytest.raises(AssertionError):
        datev_fields.check(broken.content)
    with pytest.raises(AssertionError):
        judge([broken], tmp_path)


def test_sie_files_have_the_vouchers_balances(vouchers: list[Voucher], tmp_path: Path) -> None:
    found = [(sie.write(own, SIE, batch), own) for batch, own in batches(vouchers)]
    taken = [voucher for written, own in found for voucher in require_all(written, own)]
    read = [sie_reader.read(file.content) for written, _ in found for file in written.files]

    assert len(taken) > len(vouchers) / 2
    expected = balances(taken)
    read_vouchers = [voucher for file in read for voucher in file.vouchers]
    assert len(read_vouchers) == len(taken)
    transactions = [(each.day, [(account, amount) for account, amount, _ in each.lines]) for each in read_vouchers]
    in_beancount(transactions, expected, tmp_path)


@pytest.mark.parametrize("rows", ["leg", "pair"])
def test_csv_files_have_the_vouchers_balances(vouchers: list[Voucher], rows: str, tmp_path: Path) -> None:
    options = csv_journal.CsvOptions(currency="EUR", rows="pair" if rows == "pair" else "leg")
    found = [(csv_journal.write(own, options, batch), own) for batch, own in batches(vouchers)]
    taken = [voucher for written, own in found for voucher in require_all(written, own)]

    journals: dict[str, Transaction] = {}
    for row in (
        row
        for written, _ in found
        for file in written.files
        for row in csv.DictReader(io.StringIO(file.content.decode(), newline=""))
    ):
        _, legs = journals.setdefault(row["voucher_id"], (date.fromisoformat(row["posting_date"]), []))
        legs.append((row["account"], Decimal(row["amount"])))
        if rows == "pair":
            legs.append((row["counter_account"], -Decimal(row["amount"])))
    assert len(journals) == len(taken) > len(vouchers) / 2
    in_beancount(journals.values(), balances(taken), tmp_path)
