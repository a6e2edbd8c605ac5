"""The summary that a terminal shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.blocked_report.money import major
from tap_pleo_export.blocked_report.number_format import Style, time_of_day
from tap_pleo_export.blocked_report.remedies import remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.blocked_report.grouping import Group, Summary
    from tap_pleo_export.blocked_report.money import Sums

MOST_CAUSES = 10


def lines(summary: Summary, style: Style) -> Iterator[str]:
    """Yield the summary, line by line."""

    def number(count: int) -> str:
        return style.number(str(count))

    if summary.as_of:
        yield f"As of {time_of_day(summary.as_of)}"
    for state, label in (
        ("ready", "ready to be booked"),
        ("blocked", "blocked"),
        ("unchecked", "not checked"),
        ("recorded", "recorded already"),
        ("refused", "refused earlier"),
    ):
        group: Group = summary.totals.by_state[state]  # type: ignore[index] # they are its keys
        if group.items or state in {"ready", "blocked"}:
            yield f"{number(group.items):>9}  {label:20} {amounts(group.sums, style)}".rstrip()
    ranked = summary.ranked()
    if ranked:
        yield ""
        yield "What to fix first:"
    for cause, group in ranked[:MOST_CAUSES]:
        told = remedy(cause)
        yield f"{number(group.items):>9}  {told.title} ({', '.join(told.places)})"
    if len(ranked) > MOST_CAUSES:
        yield f"{'':9}  and {number(len(ranked) - MOST_CAUSES)} more"


def amounts(sums: Sums, style: Style) -> str:
    """Return sums, each with its currency."""
    return ", ".join(f"{style.number(major(sums[name], name))} {name}" for name in sorted(sums))
