"""pleo-export-files: each voucher is in one file, however runs end."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from datetime import date

import pytest

from tests.conftest import TIMEOUT
from tests.helpers import datev_fields, sie_reader
from tests.helpers.guides import follow, printed
from tests.helpers.made_vouchers import COMPANY, balances, leg, voucher
from tests.import_files.conftest import Import

NAME = "EXTF_Pleo_12abc3d4_2026-11_1.csv"
UNSUITABLE = voucher(9, leg("line", "gl-1", "119"), leg("wallet", "1240", "-119"))


def recorded(made: Import) -> list[tuple[str, str]]:
    return made.rows("select voucher_id, external_id from pleo_recorded order by 1")


def test_each_voucher_is_written_once_and_confirmed(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1), voucher(2), voucher(3, posting_date=date(2026, 12, 1)))

    first = made.write()
    again = made.write()

    assert (first.returncode, first.errors) == (0, "")
    assert first.counts.items() >= {"files": 1, "written": 2, "refused": 0, "other_months": 1}.items()
    assert list(made.files()) == [NAME]
    assert len(datev_fields.check(made.files()[NAME])) == 4
    assert (again.returncode, again.counts["files"]) == (0, 0)
    assert "No file: no voucher of this company waits that is posted in 2026-11." in again.stdout

    confirmed = made.run("--confirm", NAME)

    assert (confirmed.returncode, confirmed.counts["booked"]) == (0, 2)
    assert recorded(made) == [(voucher(1).id, f"{NAME}#1"), (voucher(2).id, f"{NAME}#2")]
    assert "is confirmed already" in made.run("--confirm", NAME).stdout
    assert list(made.files()) == [NAME]


def test_the_documented_commands(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1), voucher(2), config=printed("import-files.md", "DATEV"))
    follow(printed("import-files.md", "Import files: DATEV, SIE, CSV"), made.folder, made.environment)

    assert [path.name for path in (made.folder / "files").iterdir()] == [NAME]
    assert recorded(made) == [(voucher(1).id, f"{NAME}#1"), (voucher(2).id, f"{NAME}#2")]


def test_later_vouchers_are_in_the_next_file(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1))
    made.write()
    made.add(voucher(2))

    made.write()
    made.write(name="sie")

    assert sorted(made.files()) == [NAME, NAME.replace("_1.csv", "_2.csv")]
    assert made.rows("select file_name, number from pleo_import_file_vouchers order by 1") == [
        (NAME, 1),
        (NAME.replace("_1.csv", "_2.csv"), 1),
    ]


def test_a_sie_file_has_the_vouchers_balances(make_import: Callable[..., Import]) -> None:
    vouchers = [voucher(number) for number in range(1, 6)]
    made = make_import(*vouchers)

    made.write(name="sie")

    (content,) = made.files().values()
    assert sie_reader.read(content).balances == balances(vouchers)


def test_refusals_are_listed_with_remedies_and_stay_waiting(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1, text="x" * 80), UNSUITABLE)

    for _ in range(2):
        run = made.write()
        assert run.returncode == 0
        assert run.counts["refused"] == 1
        assert f"Refused {UNSUITABLE.id}: account 'gl-1' is not a number: give it a numeric code" in run.errors
    assert made.rows("select * from pleo_refused") == []

    made.write("--fail-refused")

    ((voucher_id, kind, reason),) = made.rows(
        "select voucher_id, failure_reason_type, failure_reason from pleo_refused"
    )
    assert (voucher_id, kind) == (UNSUITABLE.id, "accounting_system_validation_failure")
    assert "gl-1" in reason


def test_changed_texts_are_counted(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1, text="x" * 80), voucher(2, text="y" * 80))

    assert made.write().errors == "Changed 2 times: Buchungstext: longer than 60 characters, cut\n"


def test_a_file_can_be_written_again_by_its_name(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1))
    made.write()
    content = made.files()[NAME]
    (made.output / NAME).unlink()

    run = made.run("--reissue", NAME, "--output", str(made.output))

    assert run.returncode == 0
    assert made.files() == {NAME: content}


def test_a_discarded_files_vouchers_are_written_again(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1))
    made.write()

    assert made.run("--discard", NAME).counts["discarded"] == 1
    assert "was discarded" in made.run("--confirm", NAME).errors
    made.write()

    assert sorted(made.files()) == [NAME, NAME.replace("_1.csv", "_2.csv")]
    made.run("--confirm", NAME.replace("_1.csv", "_2.csv"))
    assert "is confirmed, so its vouchers are booked" in made.run("--discard", NAME.replace("_1.csv", "_2.csv")).errors


def test_a_voucher_of_a_file_can_be_refused_by_its_number(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1), voucher(2))
    made.write()

    assert "has no voucher 3: its vouchers are 1 to 2" in made.run("--confirm", NAME, "--refused", "3", "x").errors
    run = made.run("--confirm", NAME, "--refused", "2", "Cost centre unknown")

    assert (run.counts["booked"], run.counts["refused"]) == (1, 1)
    assert recorded(made) == [(voucher(1).id, f"{NAME}#1")]
    assert made.rows("select voucher_id, failure_reason from pleo_refused") == [(voucher(2).id, "Cost centre unknown")]
    assert made.write().counts["files"] == 0


def test_another_process_books_the_company(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1))
    with made.server.connect() as connection:
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [f"pleo-export-book {COMPANY}"])

        run = made.write()

    assert run.returncode == 1
    assert run.errors == (
        f"pleo-export-files: company {COMPANY} is being booked by another process: run again when it has ended\n"
    )
    assert made.files() == {}


def test_a_file_of_another_origin_is_not_replaced(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1))
    made.output.mkdir()
    (made.output / NAME).write_text("other")

    run = made.write()

    assert run.returncode == 1
    assert "exists with other content: move it away, or choose another --output" in run.errors
    assert made.rows("select * from pleo_import_files") == []


def test_the_answers_may_be_in_another_schema(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1))
    made.execute("create schema answers")
    for table in ("pleo_recorded", "pleo_refused"):
        made.execute(f"create table answers.{table} (like pleo_models.{table} including all)")

    made.write("--recorded-schema", "answers")
    run = made.run("--confirm", NAME, "--recorded-schema", "answers")

    assert run.counts["booked"] == 1
    assert made.rows("select external_id from answers.pleo_recorded") == [(f"{NAME}#1",)]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ("", "--format datev requires a table [datev] in --config"),
        ("[datev]\nconsultant = 7\nclient = 1", "`int` >= 1001 - at `$.datev.consultant`"),
        ("[datev]\nconsultant = 1001", "missing required field `client` - at `$.datev`"),
        ("[datev", "Expected ']' at the end of a table declaration"),
        ("[dateV]", "unknown field `dateV`"),
    ],
)
def test_a_wrong_configuration_is_one_line(make_import: Callable[..., Import], config: str, problem: str) -> None:
    run = make_import(voucher(1), config=config).write()

    assert run.returncode == 1
    assert problem in run.errors
    assert run.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "--format, --company, --period and --output are required"),
        (("--period", "2026-13"), "'2026-13' is not a month: write it like 2026-11"),
        (("--reissue", "x"), "--reissue requires --output"),
        (("--refused", "1", "x", "--reissue", "x", "--output", "."), "--refused is for --confirm"),
        (("--confirm", "x", "--refused", "one", "x"), "the first value is the number of the voucher"),
    ],
)
def test_wrong_arguments_are_named(
    make_import: Callable[..., Import], arguments: tuple[str, ...], problem: str
) -> None:
    run = make_import().run(*arguments)

    assert run.returncode == 2
    assert problem in run.errors


def test_an_unknown_file_is_one_line(make_import: Callable[..., Import]) -> None:
    assert make_import().run("--confirm", "x.csv").errors == (
        "pleo-export-files: no file 'x.csv' was written: give its name without a folder\n"
    )


def test_the_warehouse_must_be_named_and_reached(make_import: Callable[..., Import]) -> None:
    made = make_import()
    missing = made.run(*made.arguments(), url="")
    unknown = made.run(*made.arguments(), url=made.server.url("unknown"))

    assert missing.errors.startswith("pleo-export-files: PLEO_EXPORT_BOOKS_DATABASE_URL is not set")
    assert "cannot be reached" in unknown.errors
    assert (missing.returncode, unknown.returncode) == (1, 1)


# Ends its own process before the n-th step that changes something: a statement, or a file.
KILLER = """
import os, re, signal, sys
from pathlib import Path
import psycopg

left = int(sys.argv.pop(1))

def watched(owner, name):
    function = getattr(owner, name)
    def call(*arguments, **named):
        global left
        left -= name != "execute" or bool(re.search("insert|update|create|delete|unlock", repr(arguments)))
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    setattr(owner, name, call)

for owner, name in ((psycopg.Connection, "execute"), (Path, "open"), (Path, "replace"), (os, "fsync")):
    watched(owner, name)
from tap_pleo_export.import_files.command import main
sys.exit(main())
"""
CSV = """
[csv]
preset = "xero"
currency = "EUR"
"""


def killed(made: Import, step: int, *arguments: str) -> bool:
    """Run the command until it is killed before a step, and return whether it was."""
    command = [sys.executable, "-c", KILLER, str(step), *arguments]
    done = subprocess.run(command, env=made.environment, capture_output=True, timeout=TIMEOUT, check=False)
    assert done.returncode in {0, -9}, done.stderr
    return done.returncode != 0


def test_a_kill_before_any_step_loses_and_doubles_nothing(make_import: Callable[..., Import]) -> None:
    large = [leg("line", "6100", "1")] * 160
    vouchers = [voucher(number, *large, leg("wallet", "1240", "-160")) for number in (1, 2)]
    made = make_import(*vouchers, config=CSV)
    for step in itertools.count():
        made.forget()
        was_killed = killed(made, step, *made.arguments("csv"))

        made.write(name="csv")

        stored = made.rows("select file_name, content from pleo_import_files where written_at is not null")
        assert made.files() == dict(stored), step
        in_files = made.rows("select voucher_id from pleo_import_file_vouchers order by 1")
        assert in_files == [(each.id,) for each in vouchers], step
        if not was_killed:
            assert step > 12
            return


def test_a_kill_while_confirming_loses_nothing(make_import: Callable[..., Import]) -> None:
    made = make_import(voucher(1), voucher(2))
    made.write()
    for step in itertools.count():
        was_killed = killed(made, step, "--confirm", NAME)
        assert len(recorded(made)) in ({0, 2} if was_killed else {2}), step
        if not was_killed:
            assert step > 4
            return
