"""What a loader has stored, made comparable: keys, amounts, and the form of what is nested. Pure."""

from __future__ import annotations

import ast
import json
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.expectation import Key

LINES = "accountingentrylines"
AMOUNT = ("amount", "inwalletcurrency")
# Decimal digits that binary floating point keeps.
DOUBLE_DIGITS = 15
Amount = tuple[str, Decimal]


@dataclass(frozen=True)
class Stored:
    """What stands in a loader's destination.

    Attributes:
        keys: How often each item is there.
        amounts: Each item's wallet amount, if it can be read.
        nested: How arrays and objects are stored.
        columns: How many columns there are.
        job_items: How many job items are there.
    """

    keys: Counter[Key]
    amounts: dict[Key, Amount | None]
    nested: str
    columns: int
    job_items: int

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], job_items: Iterable[object]) -> Stored:
        """Read rows of ``export_items``, by column; letter case of names and ids does not matter."""
        keys: Counter[Key] = Counter()
        amounts: dict[Key, Amount | None] = {}
        forms: set[str] = set()
        columns: set[str] = set()
        for given in rows:
            row = {name.lower(): value for name, value in given.items()}
            columns |= row.keys()
            key = (str(row["jobid"]).lower(), str(row["accountingentryid"]).lower())
            keys[key] += 1
            forms |= {_form(row.get(LINES))} - {""}
            try:
                amounts[key] = _amount(row)
            except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, SyntaxError):
                amounts[key] = None
        return cls(keys, amounts, " or ".join(sorted(forms)), len(columns), sum(1 for _ in job_items))

    def exactness(self, truth: Mapping[Key, Amount]) -> str:
        """Say how exact the amounts of the items that arrived are."""
        given = {key: amount for key, amount in truth.items() if key in self.amounts}
        wrong = {key for key, amount in given.items() if self.amounts[key] != amount}
        if not wrong:
            return "exact"
        if any(self.amounts[key] is None for key in wrong):
            return "**some cannot be read back**"
        if all(len(given[key][1].as_tuple().digits) > DOUBLE_DIGITS for key in wrong):
            return f"binary floating point: exact up to {DOUBLE_DIGITS} digits"
        return f"**{len(wrong)} amounts are wrong**"


def _amount(row: Mapping[str, Any]) -> Amount:
    whole, part = AMOUNT
    if whole in row:
        amount = {name.lower(): value for name, value in parsed(row[whole]).items()}[part]
    elif f"{whole}__{part}" in row:
        amount = parsed(row[f"{whole}__{part}"])
    else:
        amount = {name: row[f"{whole}__{part}__{name}"] for name in ("currency", "value")}
    return str(amount["currency"]), Decimal(str(amount["value"]))


def parsed(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a nested value, whether it is stored as such, as JSON or as Python writes it."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_float=Decimal)
    except ValueError:
        return ast.literal_eval(value)


def _form(lines: object) -> str:
    if isinstance(lines, list):
        return "arrays as such"
    if not isinstance(lines, str) or not lines:
        return ""
    try:
        json.loads(lines)
    except ValueError:
        return "text that is not JSON (Python's)"
    return "JSON text"
