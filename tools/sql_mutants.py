"""Mutate the SQL of the dbt package, one small change at a time, and run its tests on DuckDB: one of them must fail.

``python -m tools.sql_mutants --sample 40 --seed 1``; without a sample, every mutant. Each runs dbt's tests and those of
``tests/transform``, the quick ones first, until one fails.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.meltano import CHECKOUT

PACKAGE = CHECKOUT / "transform"
TESTS = ("loaded_rows", "vouchers", "reexports", "other_settings", "voucher_histories", "package")
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
# Jinja and comments are left alone, as is SQL for PostgreSQL, which does not run.
_SKIPPED = re.compile(r"{#.*?#}|{%.*?%}|--[^\n]*|{% macro postgres__.*?{% endmacro %}", re.DOTALL)
_POSTGRES = re.compile(r"{% macro postgres__.*?{%-? endmacro %}", re.DOTALL)


@dataclass(frozen=True)
class Mutant:
    """One change: the file within the package, the text that replaces a part of it, and the part's place."""

    file: Path
    start: int
    end: int
    text: str

    def apply(self, source: str) -> str:
        """Return the changed file."""
        return source[: self.start] + self.text + source[self.end :]

    def describe(self, source: str) -> str:
        """Return file, line and change."""
        line = source.count("\n", 0, self.start) + 1
        return f"{self.file}:{line}: {source[self.start : self.end].strip()!r} -> {self.text.strip()!r}"


def mutants() -> Iterator[Mutant]:
    """Yield every change."""
    for path in sorted([*PACKAGE.glob("models/**/*.sql"), *PACKAGE.glob("macros/*.sql")]):
        source = path.read_text("utf-8")
        skipped = [match.span() for pattern in (_SKIPPED, _POSTGRES) for match in pattern.finditer(source)]
        for pattern, replacement in CHANGES.items():
            for match in re.finditer(pattern, source):
                if not any(start <= match.start() < end for start, end in skipped):
                    yield Mutant(path.relative_to(PACKAGE), *match.span(), match.expand(replacement))


def is_killed(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Return whether a test fails on a mutant.

    Raises:
        RuntimeError: pytest ended otherwise than with passed or failed tests.
    """
    with tempfile.TemporaryDirectory() as folder:
        code = _run(mutant, Path(folder), tests)
    if code not in (0, 1):
        raise RuntimeError(f"pytest ended with exit code {code}")
    return code == 1


def _run(mutant: Mutant, folder: Path, tests: Sequence[str]) -> int:
    package = folder / "transform"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("target", "logs", "dbt_packages"))
    path = package / mutant.file
    path.write_text(mutant.apply(path.read_text("utf-8")), "utf-8")
    files = [str(CHECKOUT / "tests" / "transform" / f"test_{name}.py") for name in tests]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "warehouse", "-p", "no:cacheprovider", *files]
    done = subprocess.run(
        [*command, "-k", "not postgres and not same_rows and not mapper", "--basetemp", str(folder / "tests")],
        env=os.environ | {"TEST_DBT_PACKAGE": str(package)},
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode


def main() -> None:
    """Run the mutants and print the survivors and the share that was killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="number of mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help=f"only the tests of {' and '.join(TESTS[:2])}")
    options = parser.parse_args()
    tests = TESTS[:2] if options.quick else TESTS
    if is_killed(Mutant(Path("dbt_project.yml"), 0, 0, ""), tests):
        raise SystemExit("a test fails without any change: make test-warehouse")
    found = list(mutants())
    chosen = random.Random(options.seed).sample(found, min(options.sample or len(found), len(found)))
    killed = 0
    for number, mutant in enumerate(chosen, 1):
        is_dead = is_killed(mutant, tests)
        killed += is_dead
        name = mutant.describe((PACKAGE / mutant.file).read_text("utf-8"))
        print(
            f"{'killed  ' if is_dead else 'SURVIVED'} {name}  ({killed} of {number}, {len(found)} in all)", flush=True
        )
    print(f"{killed} of {len(chosen)} mutants killed ({killed / max(1, len(chosen)):.1%})")


if __name__ == "__main__":
    main()
