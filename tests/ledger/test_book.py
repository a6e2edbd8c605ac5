"""`pleo-export-book` as a process, on a real PostgreSQL and the strict reference ledger."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tap_pleo_export.books.database import Books as Database
from tests.conftest import TIMEOUT
from tests.helpers.processes import BOTH_SIGNALS, Stop
from tests.ledger.conftest import COMPANY, CREDIT, LEG, OTHER, Books
from tests.ledger.reference import KILL_FILE, attached

CLOSED: dict[str, Any] = {"posting_date": "2026-10-05"}
DOCUMENTS = ("expense", "bill", "payment")
EXPECTED = {"6100": "12.34", "1240": "-12.34"}


def summary(stderr: str) -> dict[str, object]:
    (line,) = [line for line in stderr.splitlines() if line.startswith("METRIC: ")]
    tags: dict[str, object] = json.loads(line.removeprefix("METRIC: "))["tags"]
    del tags["pid"], tags["plugin"]
    return tags


def test_every_voucher_is_booked_and_recorded(books: Books) -> None:
    keys = [books.add(f"e{number}", company_id=(COMPANY, OTHER)[number % 2]) for number in range(6)]

    run = books.book()

    assert (run.returncode, run.stderr.count("\n")) == (0, 1)
    assert run.stdout == (
        f"Nordlys ({COMPANY}): 3 booked, 0 found, 0 refused, 0 waiting\n"
        f"Subsidiary ({OTHER}): 3 booked, 0 found, 0 refused, 0 waiting\n"
    )
    assert summary(run.stderr) == {"exit_code": 0, "booked": 6, "found": 0, "refused": 0, "waiting": 0}
    assert [{account: str(amount) for account, amount in books.posted(key)[0].items()} for key in keys] == [
        EXPECTED
    ] * 6
    assert len(set(books.recorded().values())) == 6
    assert set(books.recorded()) == set(keys)
    address = "select external_url like 'https://erp.example/JE-%%', recorded_at is not null from pleo_recorded"
    assert set(books.rows(address)) == {(True, True)}
    assert summary(books.book().stderr)["booked"] == 0
    assert (books.folder / "books.sqlite.closed").exists()


def test_vouchers_in_an_import_file_are_not_booked(books: Books) -> None:
    in_file, other = books.add("e1"), books.add("e2")
    books.rows("create table pleo_import_file_vouchers (file_name text, voucher_id text, number integer)")
    books.rows("insert into pleo_import_file_vouchers values ('EXTF_1.csv', %s, 1)", in_file)

    assert summary(books.book().stderr)["booked"] == 1
    assert set(books.recorded()) == {other}


def test_refusals_are_recorded_and_no_error(books: Books) -> None:
    for number in range(13):
        books.add(f"closed{number}", **CLOSED)
        books.add(f"unknown{number}", legs=[LEG | {"account_code": f"9{number}"}, CREDIT])
    long = books.add("long", legs=[LEG | {"account_code": "9\n" * 600}, CREDIT])
    good = books.add("good")

    run = books.book()

    assert run.returncode == 0
    warnings = [line for line in run.stderr.splitlines() if line.startswith("WARNING")]
    assert warnings[0] == "WARNING: 13 refused: Period 2026-10 is closed"
    assert (len(warnings), warnings[-1]) == (11, "WARNING: 5 refused for 5 other reasons, see pleo_refused")
    assert set(books.recorded()) == {good}
    failures = books.refused()
    assert failures["closed0/expense/1"] == ("accounting_system_validation_failure", "Period 2026-10 is closed")
    assert failures["unknown12/expense/1"][1] == "Account 912 is unknown"
    assert len(failures) == 27
    assert failures[long][1] == ("Account " + "9 " * 600)[:500]
    assert all(books.posted(key) == [] for key in failures)

    books.rows("update pleo__vouchers set posting_date = '2026-11-05'")
    assert summary(books.book().stderr)["booked"] == 13
    assert set(books.refused()) == {long, *(f"unknown{number}/expense/1" for number in range(13))}


@pytest.mark.parametrize(
    ("legs", "reason"),
    [
        ([LEG, CREDIT | {"amount": "-12.33"}], "Debits and credits differ by 0.01 EUR: run `dbt build` again"),
        ([LEG | {"amount": "0"}], "The voucher has 1 lines instead of two or more: run `dbt build` again"),
        ([], "The voucher has 0 lines instead of two or more: run `dbt build` again"),
    ],
)
def test_no_ledger_is_asked_for_what_none_may_book(books: Books, legs: list[dict[str, str]], reason: str) -> None:
    key = books.add("e1", legs=legs)
    books.configure(adapter="tests.ledger.reference:BooksAnything")

    assert books.book().returncode == 0

    assert (books.recorded(), books.refused()) == ({}, {key: ("accounting_system_validation_failure", reason)})


def test_later_vouchers_of_a_refused_entry_wait(books: Books) -> None:
    """No payment without its bill, and no new version without the reversal of the old one."""
    unbookable: dict[str, Any] = {"posting_date": "2026-11-06", "legs": [LEG | {"account_code": "9"}, CREDIT]}
    books.add("e1", "bill", **unbookable)
    books.add("e1", "payment")
    books.add("e2", "expense", 2, kind="reversal", **unbookable)
    books.add("e2", "expense", 3, posting_date="2026-11-01")
    other = books.add("e3")

    run = books.book()

    assert summary(run.stderr) == {"exit_code": 0, "booked": 1, "found": 0, "refused": 2, "waiting": 2}
    assert (set(books.recorded()), set(books.refused())) == ({other}, {"e1/bill/1", "e2/expense/2"})


def test_receipts_are_attached_and_missing_ones_refused(books: Books) -> None:
    receipts = books.folder / "receipts"
    (receipts / "a").mkdir(parents=True)
    (receipts / "a" / "1.pdf").write_bytes(b"one")
    (books.folder / "secret").write_bytes(b"not a receipt")
    good = books.add("e1", files='["a/1.pdf"]')
    books.add("e2", files='["a/2.pdf"]')
    books.add("e3", files='["../secret"]')
    reversal = books.add("e4", version=2, kind="reversal", files='["a/2.pdf"]')
    books.configure('receipts = "receipts"')

    books.book()

    assert attached(books.ledger, good) == [b"one"]
    assert set(books.recorded()) == {good, reversal}
    assert books.refused() == {
        "e2/expense/1": ("receipt_upload_failure", "Receipt a/2.pdf is not among the stored files"),
        "e3/expense/1": ("receipt_upload_failure", "Receipt ../secret is not among the stored files"),
    }


def test_a_dry_run_writes_nothing(books: Books) -> None:
    books.add("booked")
    books.book()
    books.rows("delete from pleo_recorded")
    books.add("e1")
    books.add("e2", legs=[LEG])

    run = books.book("--dry-run")

    assert (run.returncode, books.recorded(), books.refused(), books.posted("e1/expense/1")) == (0, {}, {}, [])
    assert run.stdout == f"Nordlys ({COMPANY}): 1 to book, 1 found, 1 refused, 0 waiting\n"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_anywhere_each_voucher_is_booked_once(books: Books, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - repeatable, no secret
    keys = [books.add(f"e{number}", DOCUMENTS[number % 3]) for number in range(12)]
    steps = books.folder / "steps"
    kills = 0
    for _ in range(30):
        steps.write_text(str(random.randrange(1, 20)))
        run = books.book(**{KILL_FILE: str(steps)})
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL
        kills += 1
    steps.unlink()
    assert books.book().returncode == 0

    assert kills >= 2
    assert [len(books.posted(key)) for key in keys] == [1] * 12
    assert set(books.recorded()) == set(keys)


def test_vouchers_of_a_killed_run_are_found(books: Books, tmp_path: Path) -> None:
    key = books.add("e1")
    steps = tmp_path / "steps"
    steps.write_text("3")  # posted, not recorded
    assert books.book(**{KILL_FILE: str(steps)}).returncode == -signal.SIGKILL
    assert (len(books.posted(key)), books.recorded()) == (1, {})

    assert summary(books.book().stderr) == {"exit_code": 0, "booked": 0, "found": 1, "refused": 0, "waiting": 0}
    assert (len(books.posted(key)), set(books.recorded())) == (1, {key})


def test_two_processes_at_once_book_each_voucher_once(books: Books) -> None:
    keys = [books.add(f"e{number}") for number in range(40)]
    with ExitStack() as stack:
        processes = [stack.enter_context(books.start()) for _ in range(3)]
        errors = [process.communicate(timeout=TIMEOUT)[1] for process in processes]

    assert [len(books.posted(key)) for key in keys] == [1] * 40
    assert set(books.recorded()) == set(keys)
    assert sum(int(str(summary(error)["booked"])) for error in errors) == 40


def test_a_company_that_another_process_books_is_left_alone(books: Books) -> None:
    busy, free = books.add("e1"), books.add("e2", company_id=OTHER)
    with Database(books.server.url(books.database)) as other, other.lock(COMPANY):
        run = books.book()

    assert run.returncode == 1
    line = f"pleo-export-book: company {COMPANY} is being booked by another process: run again when it ends\n"
    assert run.stderr.startswith(line)
    assert (set(books.recorded()), busy in books.recorded()) == ({free}, False)


@BOTH_SIGNALS
def test_a_signal_ends_the_run_between_vouchers(books: Books, stop: Stop) -> None:
    keys = [books.add(f"e{number}") for number in range(3)]
    books.configure(adapter="tests.ledger.reference:SignalsItself")

    run = books.book(REFERENCE_SIGNAL=str(int(stop.signal)))

    assert run.returncode == stop.code
    assert summary(run.stderr) == {"exit_code": stop.code, "booked": 1, "found": 0, "refused": 0, "waiting": 0}
    assert (set(books.recorded()), len(books.posted(keys[0]))) == ({keys[0]}, 1)


@pytest.mark.parametrize(
    ("adapter", "line"),
    [
        ("DownAtTheSecond", "The books are closed for maintenance: run again later"),
        ("BreaksAtTheSecond", "program error in reference.py, line "),
    ],
)
def test_an_outage_ends_the_run_and_keeps_booked_vouchers(books: Books, adapter: str, line: str) -> None:
    keys = [books.add(f"e{number}") for number in range(3)]
    books.configure(adapter=f"tests.ledger.reference:{adapter}")

    run = books.book()

    assert (run.returncode, run.stderr.count("\n")) == (1, 2)
    assert run.stderr.startswith(f"pleo-export-book: {line}")
    assert summary(run.stderr)["booked"] == 1
    assert set(books.recorded()) == {keys[0]}
    books.configure()
    assert books.book().returncode == 0
    assert [len(books.posted(key)) for key in keys] == [1, 1, 1]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("x", "{config} is not TOML: "),
        ("", "{config}: 'adapter' is missing: write one of tryton, or \"package.module:Class\"\n"),
        ("adapter = 1\nbooks = 2", "{config}: unknown 'books', remove it; 'adapter' must be a text\n"),
        ('adapter = "none:None"', "{config}: adapter 'none:None' cannot be loaded: No module named 'none'\n"),
        ('adapter = "tests.ledger.reference"', "{config}: adapter 'tests.ledger.reference' cannot be loaded: "),
        ('adapter = "json:JSONDecoder"', "{config}: adapter 'json:JSONDecoder' is not a subclass of "),
        (
            'adapter = "tests.ledger.reference:Reference"\nreceipts = "none"',
            "{config}: receipts: {folder}/none is not a folder: name the attachments' destination\n",
        ),
        (
            'adapter = "tests.ledger.reference:Reference"\n[companies]\nx = [1]',
            "{config}: 'companies' must have names or ids as values\n",
        ),
        (
            'adapter = "tests.ledger.reference:Reference"',
            f"{{config}}: no entry in [companies] for {COMPANY}: add one, or name others with --company\n",
        ),
        (
            f'adapter = "tests.ledger.reference:Reference"\n[companies]\n"{COMPANY.upper()}" = 1',
            "{config}: [options]: ",
        ),
    ],
)
def test_a_wrong_configuration_is_one_line_before_anything_is_booked(books: Books, content: str, line: str) -> None:
    books.add("e1")
    config = books.configure()
    config.write_text(content)

    run = books.book()

    assert (run.returncode, run.stderr.count("\n"), run.stdout) == (1, 2, "")
    assert run.stderr.startswith("pleo-export-book: " + line.format(config=config, folder=books.folder))
    assert books.recorded() == {}


def test_a_missing_configuration_or_database_is_one_line(books: Books) -> None:
    config = books.configure()
    unset = books.book(PLEO_EXPORT_BOOKS_DATABASE_URL="")
    away = books.book(PLEO_EXPORT_BOOKS_DATABASE_URL="postgresql://u:p4ssw0rd-x@127.0.0.1:1/none")
    odd = books.book(PLEO_EXPORT_BOOKS_DATABASE_URL="postgresql://u:p4ssw0rd%zz@127.0.0.1:1/none")
    without = books.book("--schema", "elsewhere")
    config.unlink()
    config.mkdir()
    absent = books.book()

    for run, line in (
        (unset, "PLEO_EXPORT_BOOKS_DATABASE_URL is not set: set it to the models' database, postgresql://…"),
        (away, "the database of PLEO_EXPORT_BOOKS_DATABASE_URL cannot be reached: "),
        (odd, "the database of PLEO_EXPORT_BOOKS_DATABASE_URL cannot be reached: "),
        (without, "the models' tables cannot be used, run `dbt build` first: "),
        (absent, f"{config} cannot be read (Is a directory): name it with --config"),
    ):
        assert run.returncode == 1
        assert run.stderr.startswith(f"pleo-export-book: {line}")
        assert run.stderr.count("\n") == 2
        assert "p4ssw0rd" not in run.stderr


def test_answers_may_be_in_another_schema(books: Books) -> None:
    good, closed = books.add("e1"), books.add("e2", **CLOSED)
    books.rows("create schema answers")
    for table in ("pleo_recorded", "pleo_refused"):
        books.rows(f"create table answers.{table} (like pleo_models.{table} including all)")

    assert books.book("--recorded-schema", "answers").returncode == 0

    assert (books.recorded(), books.refused()) == ({}, {})
    assert books.rows("select voucher_id from answers.pleo_recorded") == [(good,)]
    assert books.rows("select voucher_id from answers.pleo_refused") == [(closed,)]


def test_only_the_named_companies_are_booked(books: Books) -> None:
    books.add("e1")
    other = books.add("e2", company_id=OTHER)
    books.companies = {OTHER: "Subsidiary"}

    assert books.book().returncode == 1
    assert books.recorded() == {}
    assert books.book("--company", OTHER.upper()).returncode == 0
    assert set(books.recorded()) == {other}
