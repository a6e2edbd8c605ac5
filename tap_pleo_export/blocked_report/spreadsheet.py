"""The report as CSV: every item, with its causes in words. No cell is a formula."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from typing import IO, TYPE_CHECKING

from tap_pleo_export.blocked_report.causes import remedy_of
from tap_pleo_export.blocked_report.grouping import NEEDS, STATES, need_of
from tap_pleo_export.blocked_report.money import booked, in_major_units
from tap_pleo_export.blocked_report.number_format import zone_name
from tap_pleo_export.blocked_report.text import type_name
from tap_pleo_export.text import parse_time

if TYPE_CHECKING:
    from datetime import tzinfo
    from decimal import Decimal

    from babel import Locale

    from tap_pleo_export.blocked_report.causes import Cause
    from tap_pleo_export.blocked_report.grouping import State
    from tap_pleo_export.blocked_report.item import ReportItem, ReportJob

ENCODING = "utf-8-sig"
"""With a byte order mark: without one, spreadsheets misread letters beyond ASCII."""
_COLUMNS = (
    "state", "reason", "what to do", "where", "date", "person", "supplier", "type", "amount", "currency",
    "link", "job", "job created", "company", "accounting entry", "warnings", "needs", "exact amount", "time zone",
)  # fmt: skip
# At the start of a cell, or of a part that a spreadsheet using another separator would split off.
_FORMULA = re.compile(r"(^|[;,\t|])([\s'\"]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


class Spreadsheet:
    """Writes rows of CSV to a file opened with ``newline=""`` and :data:`ENCODING`.

    Args:
        file: The file.
        locale: Whose decimal sign to write; where it is a comma, spreadsheets expect semicolons between cells. None
            means decimal points and commas.
        zone: Time zone of the times; None is the machine's.
    """

    def __init__(self, file: IO[str], locale: Locale | None = None, zone: tzinfo | None = None) -> None:
        self._zone = zone
        self._decimal = locale.number_symbols["latn"]["decimal"] if locale else "."
        separator = ";" if self._decimal == "," else ","
        self._writer = csv.writer(file, quoting=csv.QUOTE_ALL, delimiter=separator)
        self._writer.writerow(_COLUMNS)

    def add(self, item: ReportItem, state: State, job: ReportJob) -> None:
        """Write an item."""
        reasons, advice, places, warnings = _words(item.causes)
        exact, whole = item.minor, None if item.minor is None else booked(item.minor)
        amount = self._amount(whole, item.currency)
        need = need_of(job, item.status, item.verdict, item.causes)
        texts = (item.date, item.person, item.supplier, type_name(item.type))
        created = parse_time(job.created)
        local = created.astimezone(self._zone) if created else None
        # Spreadsheets read a time without its zone as a time.
        day_and_time, zone = (f"{local:%Y-%m-%d %H:%M}", zone_name(local)) if local else ("", "")
        more = (item.currency, item.link, item.job, day_and_time, item.company, item.entry)
        exact_amount = self._amount(None if exact == whole else exact, item.currency)
        last = (warnings, NEEDS[need] if need else "", exact_amount, zone)
        self._writer.writerow(
            (STATES[state], reasons, advice, places, *map(escape, texts), amount, *map(escape, more), *last)
        )

    def _amount(self, minor: Decimal | None, currency: str) -> str:
        # A number is not a formula, even with a minus.
        return "" if minor is None else f"{in_major_units(minor, currency):f}".replace(".", self._decimal)


def escape(text: str) -> str:
    """Return a text with an apostrophe before each part that a spreadsheet would run as a formula."""
    return _FORMULA.sub(r"\1\2'", text) if _FORMULA.search(text) else text


@lru_cache(maxsize=1024)
def _words(causes: tuple[Cause, ...]) -> tuple[str, str, str, str]:
    """Return the reasons, the advice, the places to fix them, and the warnings."""
    remedies = [remedy_of(cause) for cause in causes if cause.blocking]
    return (
        escape("; ".join(remedy.title for remedy in remedies)),
        escape("; ".join(dict.fromkeys(remedy.advice for remedy in remedies))),
        "; ".join(dict.fromkeys(place for remedy in remedies for place in remedy.places)),
        escape("; ".join(remedy_of(cause).title for cause in causes if not cause.blocking)),
    )
