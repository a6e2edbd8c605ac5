"""Mutate the booking table, one small change at a time, and run its tests: one of them must fail.

``python -m tools.booking_mutants``; part of ``make mutants``. Each mutant's tests run in a fork of this process.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tap_pleo_export.singer.schema_files import shipped
from tools.meltano import CHECKOUT

# Not those that compare the documentation with the table: they fail on every change.
TESTS = ("test_booking.py",)
ARGUMENTS = ["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
ARGUMENTS += [f"tests/validation/{test}" for test in TESTS]
OPTIONAL = {"method", "vendor", "subTypes"}

Row = dict[str, Any]


def words(value: Any, name: str = "") -> Iterator[tuple[str, str | None]]:  # noqa: ANN401 - JSON
    """Yield the texts and nulls in a table with the name of their field; both sides of a voucher are one field."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from words(member, "role" if key in {"debit", "credit"} else key)
    elif isinstance(value, list):
        for member in value:
            yield from words(member, name)
    else:
        yield name, value


def changed(value: Any, name: str, known: dict[str, list[str | None]]) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Yield a value with one word replaced by the next one of its field, one part left out, or two sides swapped."""
    if isinstance(value, dict):
        for key, member in value.items():
            field = "role" if key in {"debit", "credit"} else key
            yield from (value | {key: other} for other in changed(member, field, known))
            if key in OPTIONAL:
                yield {other: kept for other, kept in value.items() if other != key}
        if "debit" in value:
            yield value | {"debit": value["credit"], "credit": value["debit"]}
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from ([*value[:at], other, *value[at + 1 :]] for other in changed(member, name, known))
            if len(value) > 1:
                yield value[:at] + value[at + 1 :]
        if name == "role":
            yield value[::-1]
    elif len(known[name]) > 1:
        others = known[name]
        yield others[(others.index(value) + 1) % len(others)]


def mutants(table: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield changed tables, each with a line that shows the change."""
    known: dict[str, list[str | None]] = {}
    for name, word in words(table):
        if word not in known.setdefault(name, []):
            known[name].append(word)
    for at, row in enumerate(table):
        before, after = table[:at], table[at + 1 :]
        yield f"row {at + 1} left out: {row['when']}", before + after
        if "method" in row["when"]:
            yield f"row {at + 1} last: {row['when']}", [*before, *after, row]
        for other in changed(row, "", known):
            yield f"row {at + 1}: {row} -> {other}", [*before, other, *after]


def killed(table: list[Row]) -> bool:
    """Return whether a test fails with this table in the place of the shipped one."""
    process = os.fork()
    if not process:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        shipped("booking.json")[:] = table
        os._exit(pytest.main(ARGUMENTS))
    return os.waitpid(process, 0)[1] != 0


def main() -> int:
    """Return 1 if a mutant survives."""
    os.chdir(CHECKOUT)
    table = copy.deepcopy(shipped("booking.json"))
    if killed(table):
        raise SystemExit("the tests fail with the shipped table")
    # Imports the tests, so that forks have them.
    pytest.main([*ARGUMENTS, "--collect-only", "-qqq"])
    tried = list(mutants(table))
    survived = 0
    for shown, mutant in tried:
        if not killed(mutant):
            survived += 1
            print(f"survived: {shown}")
    print(f"booking table: {len(tried) - survived} of {len(tried)} mutants killed")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
