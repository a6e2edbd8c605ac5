"""Mutate the SQL of the dbt package, one small change at a time, and run its tests on DuckDB: one of them must fail.

``python -m tools.sql_mutants --sample 200 --seed 1``; without a sample, every mutant. dbt builds the tests' worlds
once, from models with marks around each possible change. Its statements are recorded, and repeated with the change of
each mutant; then the tests look at the rows.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sandbox  # noqa: F401 - once, not in each fork
from tools import postgres
from tools.meltano import CHECKOUT

PACKAGE = CHECKOUT / "transform"
TESTS = ("loaded_rows vouchers", "other_settings", "package", "voucher_histories", "reexports")
"""Files of tests that run together, the quick ones first."""
LEFT_OUT = ("postgres", "same_rows", "mapper", "role", "flattened", "integration", "other_modes", "bean", "developers")
"""Parts of the names of tests that need PostgreSQL, other programs, or files that dbt writes."""
MIN_SHARE = 0.9
CHANGES = {
    r"\bleft join\b": "inner join",
    r"\binner join\b": "left join",
    r"\bunion all\b": "union",
    r"\bwhere\b(?! {{)": "where true or",
    r"\bselect distinct\b": "select",
    r" desc\b": "",
    r"\band\b": "or",
    r"\bor\b": "and",
    r"\bis not null\b": "is null",
    r"\bis null\b": "is not null",
    r"\bis (not )?distinct from\b": "=",
    r" <> ": " = ",
    r" > ": " >= ",
    r" <= ": " < ",
    r" - ": " + ",
    r"(?<=[ (])-(?=[a-z])": "",
    r"\b(?:abs|lower|trim)(?=\()": "",
    r"\bbool_or\(": "bool_and(",
    r"\bbool_and\(": "bool_or(",
    r"\bmin\(": "max(",
    r"\bmax\(": "min(",
    r"\bsum\(": "max(",
    r"\bgreatest\(": "least(",
    r"\bround\(": "floor(",
    r"\bcoalesce\(([a-z_.]+), [^()]*\)": r"\1",
}
ARGUED = {
    "macros/builds.sql": {
        "where ' ~ condition ~ ')'": "it is read by the first build, before there are rows",
        "max(' ~ column ~ '), 0) from ' ~ relation": "the same",
        "where accounting_entry_id in (select": "rows that have not changed are only built and tested again",
    },
    "macros/rows.sql": {"select distinct stream, file_position": "a position that is stored twice is read as one"},
    "macros/values.sql": {"> 0\n)": "DuckDB's functions return null without rows, too"},
    "models/intermediate/int_pleo__changed_entries.sql": {
        "where staged_in": "rows that have not changed are only built again",
        "> {{ since }}": "the last build's rows are only built again",
    },
    "models/intermediate/int_pleo__publications.sql": {"max(lines.": "all rows of a publication have the same value"},
    "models/intermediate/int_pleo__recorded_vouchers.sql": {"lower(recorded.job_id), v": "a job has one row per entry"},
    "models/intermediate/int_pleo__reported_vouchers.sql": {"inner join": "rows without a voucher join nothing"},
    "models/intermediate/int_pleo__voucher_drafts.sql": {
        "left join (select * from {{ ref('int_pleo__currencies') }}) as wallet": "an unknown one is not booked"
    },
    "models/intermediate/int_pleo__voucher_draft_lines.sql": {"union all": "no two rows have the same line number"},
    "models/marts/books/pleo__account_checks.sql": {
        "union all": "no two rows are the same",
        "inner join (select * from {{ ref('pleo__vouchers')": "every line has a voucher",
    },
    "models/marts/books/pleo__not_booked.sql": {
        "inner join (select * from {{ ref('pleo__expenses')": "every entry has an expense"
    },
    "models/marts/books/pleo__vouchers.sql": {
        "union all\n  select lower(split_part(": "a voucher that is recorded twice is recorded",
        "where vouchers.accounting_entry_id in (select": "vouchers of other entries join nothing",
    },
    "models/staging/stg_pleo__export_jobs.sql": {
        "and job_id not in": "known jobs are staged again as they are",
        "<= current_timestamp": "it would need the microsecond of the expiry",
        "is null\n  or {{ pleo_differs": "new jobs differ from none",
    },
}
"""Changes that no test can see: by file, the text from the change on, and why."""
# Comments and Jinja are left alone, as is SQL for PostgreSQL, which does not run, and that whose result Jinja reads:
# a recording has the result.
_SKIPPED = (
    re.compile(r"{#.*?#}|{%.*?%}|--[^\n]*", re.DOTALL),
    re.compile(r"if target\.type == 'duckdb' else [^\n]*|run_query\([^\n]*"),
    re.compile(r"{% macro postgres__.*?{%-? endmacro %}", re.DOTALL),
)
# Texts in expressions of Jinja are SQL, the rest of them is not.
_EXPRESSION, _TEXT = re.compile(r"{{.*?}}", re.DOTALL), re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


@dataclass(frozen=True)
class Mutant:
    """One change: the file within the package, the text that replaces a part of it, and the part's place."""

    number: int
    file: Path
    start: int
    end: int
    text: str

    def describe(self) -> str:
        """Return file, line and change."""
        source = (PACKAGE / self.file).read_text("utf-8")
        line = source.count("\n", 0, self.start) + 1
        return f"{self.file}:{line}: {source[self.start : self.end].strip()!r} -> {self.text.strip()!r}"


def mutants() -> list[Mutant]:
    """Return every change."""
    found: list[Mutant] = []
    for path in sorted([*PACKAGE.glob("models/**/*.sql"), *PACKAGE.glob("macros/*.sql")]):
        source = path.read_text("utf-8")
        skipped = list(_skipped(source))
        for pattern, replacement in CHANGES.items():
            for match in re.finditer(pattern, source):
                if not any(start <= match.start() < end for start, end in skipped):
                    place = (path.relative_to(PACKAGE), *match.span())
                    found.append(Mutant(len(found), *place, match.expand(replacement)))
    return found


def is_argued(mutant: Mutant) -> bool:
    """Return whether :data:`ARGUED` has the mutant."""
    changed = (PACKAGE / mutant.file).read_text("utf-8")[mutant.start :].lstrip()
    return changed.startswith(tuple(ARGUED.get(str(mutant.file), ())))


def _skipped(source: str) -> Iterator[tuple[int, int]]:
    for pattern in _SKIPPED:
        yield from (match.span() for match in pattern.finditer(source))
    for block in _EXPRESSION.finditer(source):
        code = block.start()
        for text in _TEXT.finditer(source, *block.span()):
            yield code, text.start()
            code = text.end()
        yield code, block.end()


def mark(package: Path, found: list[Mutant]) -> None:
    """Put marks around the place of each change, in a copy of the package."""
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("target", "logs", "dbt_packages"))
    for file in {mutant.file for mutant in found}:
        source = (PACKAGE / file).read_text("utf-8")
        marks = []
        for mutant in found:
            if mutant.file == file:
                width = mutant.end - mutant.start
                marks.append((mutant.start, 1, -width, mutant.number, f"/*<{mutant.number}*/"))
                marks.append((mutant.end, 0, width, -mutant.number, f"/*{mutant.number}>*/"))
        for place, *_, text in sorted(marks, reverse=True):
            source = source[:place] + text + source[place:]
        (package / file).write_text(source, "utf-8")


@dataclass(frozen=True)
class Runner:
    """Runs tests in forks of this process.

    Attributes:
        folder: With the marked package and the recordings, each test file's in a separate directory.
    """

    folder: Path

    def record(self, name: str) -> None:
        """Run a test file with dbt, and record dbt's statements.

        Raises:
            SystemExit: A test fails without any change.
        """
        (self.folder / name).mkdir()
        if self._run(name, {}):
            raise SystemExit(f"the tests of {name} fail without any change: make test-warehouse")

    def verify(self, name: str) -> None:
        """Repeat a recording without any change.

        Raises:
            SystemExit: A test fails.
        """
        if self._run(name, _replayed("", "")):
            raise SystemExit(f"the tests of {name} fail on a recording without any change")

    def is_killed(self, mutant: Mutant, tests: tuple[str, ...]) -> bool:
        """Return whether a test fails on a mutant."""
        return any(self._is_killed_by(name, mutant) for name in tests)

    def _is_killed_by(self, name: str, mutant: Mutant) -> bool:
        mark = f"/*<{mutant.number}*/"
        if not any(mark in path.read_text("utf-8") for path in (self.folder / name).iterdir()):
            return False
        return self._run(name, _replayed(str(mutant.number), mutant.text)) != 0

    def _run(self, name: str, environment: dict[str, str]) -> int:
        """Run a group of tests in a fork and return 0 if all passed, else 1.

        Raises:
            RuntimeError: pytest ended otherwise.
        """
        child = os.fork()
        if not child:
            work = self.folder / f"work-{os.getppid()}"
            root = work / name
            root.mkdir(parents=True, exist_ok=True)
            os.environ.update(
                environment, TEST_ROOT=str(root), TEST_RECORDING=str(self.folder / name), TEST_SEED="1",
                TEST_DBT_PACKAGE=str(self.folder / "transform"),
            )  # fmt: skip
            _pytest(name, root, work / "output.txt")
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code not in (0, 1):
            raise RuntimeError(f"pytest ended with exit code {code}")
        return code


def _replayed(number: str, text: str) -> dict[str, str]:
    """Return the environment in which a mutant's statements are repeated."""
    replay = CHECKOUT / "tests" / "helpers" / "warehouse_replay.py"
    return {"TEST_DBT_SERVER": str(replay), "TEST_MUTANT": number, "TEST_MUTANT_TEXT": text}


def _pytest(name: str, root: Path, output: Path) -> None:
    """Be pytest, with tests of DuckDB alone, so without PostgreSQL."""
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(written, 1)
    os.dup2(written, 2)
    setattr(postgres, "running", _no_server)  # noqa: B010 - of another type
    files = [str(CHECKOUT / "tests" / "transform" / f"test_{file}.py") for file in name.split()]
    options = [
        "-x",
        "-q",
        "-m",
        "warehouse",
        "-p",
        "no:cacheprovider",
        "-k",
        " and ".join(f"not {name}" for name in LEFT_OUT),
    ]
    code = pytest.main([*options, "--rootdir", str(CHECKOUT), "--basetemp", str(root), *files])
    sys.stdout.flush()
    os._exit(int(code))


@contextmanager
def _no_server() -> Iterator[Any]:
    yield SimpleNamespace(socket=Path("/nowhere"), create_database=lambda _name: None)


def main() -> None:
    """Run the mutants and print the survivors and the share that was killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="number of mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help=f"only the tests of {TESTS[0]}")
    parser.add_argument("--recorded", type=Path, help="directory for the recordings, or with those of an earlier run")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes")
    options = parser.parse_args()
    found = mutants()
    judged = [mutant for mutant in found if not is_argued(mutant)]
    chosen = random.Random(options.seed).sample(judged, min(options.sample or len(judged), len(judged)))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.recorded or Path(temporary)
        runner = Runner(folder)
        tests = TESTS[:1] if options.quick else TESTS
        _prepare(runner, found, tests)
        killed = _kill(runner, chosen, tests, options.jobs)
    share = killed / max(1, len(chosen))
    print(
        f"{killed} of {len(chosen)} mutants killed ({share:.1%}); {len(found) - len(judged)} of {len(found)} left out"
    )
    if share < MIN_SHARE:
        raise SystemExit(f"less than {MIN_SHARE:.0%}: a test is missing")


def _prepare(runner: Runner, found: list[Mutant], tests: tuple[str, ...]) -> None:
    """Mark the package and record the tests, where an earlier run has not."""
    if not (runner.folder / "transform").exists():
        mark(runner.folder / "transform", found)
    for name in tests:
        if not (runner.folder / name).exists():
            runner.record(name)
        runner.verify(name)


def _kill(runner: Runner, chosen: list[Mutant], tests: tuple[str, ...], jobs: int) -> int:
    """Run the mutants and print each; return the number of those that a test noticed."""
    killed = 0
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, fork) as pool:
        verdicts = pool.map(runner.is_killed, chosen, repeat(tests))
        for number, (mutant, is_dead) in enumerate(zip(chosen, verdicts, strict=True), 1):
            killed += is_dead
            verdict = "killed  " if is_dead else "SURVIVED"
            print(f"{verdict} {mutant.describe()}  ({killed} of {number})", flush=True)
    return killed


if __name__ == "__main__":
    main()
