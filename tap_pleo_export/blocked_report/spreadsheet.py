"""The same as CSV: every item, with its causes in words; nothing in it is a formula."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from typing import IO, TYPE_CHECKING

from tap_pleo_export.blocked_report.money import major
from tap_pleo_export.blocked_report.remedies import remedy

if TYPE_CHECKING:
    from tap_pleo_export.blocked_report.causes import Cause
    from tap_pleo_export.blocked_report.grouping import State
    from tap_pleo_export.blocked_report.item import Item, Job

HEAD = (
    "state", "reason", "what to do", "where", "date", "person", "supplier", "type", "amount", "currency",
    "link", "job", "job created", "company", "accounting entry", "warnings",
)  # fmt: skip
ENCODING = "utf-8-sig"
"""With a mark, without which spreadsheets take letters beyond ASCII for others."""

# At the start of a cell, or where a spreadsheet that splits at other characters would start one.
_FORMULA = re.compile(r"(^|[;,\t|])([\s'\"]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


class Spreadsheet:
    """Writes rows of CSV.

    Args:
        file: Opened with ``newline=""`` and :data:`ENCODING`.
    """

    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        self._writer.writerow(HEAD)

    def add(self, item: Item, state: State, job: Job) -> None:
        """Write an item."""
        self._writer.writerow((
            state,
            *_told(item.causes),
            tame(item.date),
            tame(item.person),
            tame(item.supplier),
            tame(item.type),
            # A number, which a minus does not make a formula.
            "" if item.minor is None else major(item.minor, item.currency),
            tame(item.currency),
            tame(item.link),
            tame(item.job),
            tame(job.created),
            tame(item.company),
            tame(item.entry),
            _warnings(item.causes),
        ))  # fmt: skip


def tame(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe stands before what would begin one."""
    return _FORMULA.sub(r"\1\2'", text) if _FORMULA.search(text) else text


@lru_cache(maxsize=1024)
def _told(causes: tuple[Cause, ...]) -> tuple[str, str, str]:
    """Return what is wrong, what to do, and where."""
    remedies = [remedy(cause) for cause in causes if cause.blocking]
    return (
        tame("; ".join(entry.title for entry in remedies)),
        tame("; ".join(dict.fromkeys(entry.advice for entry in remedies))),
        "; ".join(dict.fromkeys(place for entry in remedies for place in entry.places)),
    )


@lru_cache(maxsize=1024)
def _warnings(causes: tuple[Cause, ...]) -> str:
    return tame("; ".join(remedy(cause).title for cause in causes if not cause.blocking))
