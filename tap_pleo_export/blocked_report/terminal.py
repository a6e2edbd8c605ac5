"""The summary that a terminal shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.blocked_report.causes import remedy_of
from tap_pleo_export.blocked_report.grouping import STATES
from tap_pleo_export.blocked_report.money import in_major_units
from tap_pleo_export.blocked_report.number_format import number, time_of_day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from babel import Locale

    from tap_pleo_export.blocked_report.grouping import Summary
    from tap_pleo_export.blocked_report.money import Sums

_MAX_CAUSES = 10


def lines(summary: Summary, locale: Locale) -> Iterator[str]:
    """Yield the lines of the summary."""
    if summary.as_of:
        yield f"As of {time_of_day(summary.as_of)}"
    for state, name in STATES.items():
        total = summary.totals[state]
        if total.items or state in {"ready", "blocked"}:
            yield f"{number(total.items, locale):>9}  {name:20} {_amounts(total.sums, locale)}".rstrip()
    ranked = summary.ranked()
    if ranked:
        yield ""
        yield "What to fix first:"
    for cause, total in ranked[:_MAX_CAUSES]:
        remedy = remedy_of(cause)
        yield f"{number(total.items, locale):>9}  {remedy.title} ({', '.join(remedy.places)})"
    if len(ranked) > _MAX_CAUSES:
        yield f"{'':9}  and {number(len(ranked) - _MAX_CAUSES, locale)} more"


def _amounts(sums: Sums, locale: Locale) -> str:
    return ", ".join(f"{number(in_major_units(sums[name], name), locale)} {name}" for name in sorted(sums))
