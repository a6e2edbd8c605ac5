"""The report as one HTML page that needs nothing else, fetches nothing and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from tap_pleo_export.blocked_report import number_format as figures
from tap_pleo_export.blocked_report.grouping import MOST_BLOCKED, MOST_READY, STATES, Group, JobGroup, State, Summary
from tap_pleo_export.blocked_report.item import parse_moment
from tap_pleo_export.blocked_report.money import major
from tap_pleo_export.blocked_report.remedies import WHO, remedy
from tap_pleo_export.blocked_report.text import shown, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tap_pleo_export.blocked_report.causes import Cause
    from tap_pleo_export.blocked_report.item import Item, Job
    from tap_pleo_export.blocked_report.money import Sums

BAR = 1000
"""Width of a bar, in units of its drawing."""
_LEAST = 8
_ID = 8
_DAY = 10


@dataclass(frozen=True)
class Setting:
    """What the page is written with.

    Attributes:
        written: Moment at which it is written, UTC.
        style: How numbers are written.
        locale: The language tag that the style was asked for by; "" lets the reader's browser choose.
        version: Of this program.
    """

    written: datetime
    style: figures.Style
    locale: str = ""
    version: str = ""


def render(summary: Summary, setting: Setting) -> Iterator[str]:
    """Yield the page, piece by piece."""
    style, script = _shipped("page.css"), _shipped("page.js")
    # Markup: style and script are this program's own, no data among them.
    return _template(setting.style).generate(
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)};"
        " base-uri 'none'; form-action 'none'",
        setting=setting,
        view=_View(summary, setting),
        summary=summary,
    )


@cache
def _template(style: figures.Style) -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda count: _number(count, style)
    environment.filters["sums"] = lambda sums: _sums(sums, style)
    return environment.from_string(_shipped("page.html"))


class _View:
    """What the template asks for."""

    def __init__(self, summary: Summary, setting: Setting) -> None:
        self._summary = summary
        self._setting = setting
        self.legend = LEGEND
        self.words = words
        self.total = summary.totals.items
        self.blocked = summary.totals["blocked"]
        self.ready = summary.totals["ready"]
        self.written = figures.time_of_day(setting.written)
        self.as_of = figures.time_of_day(summary.as_of) if summary.as_of else ""
        self.jobs = [self._job(number, group) for number, group in enumerate(summary.jobs.values())]
        self.causes = self._causes(blocking=True)
        self.warnings = self._causes(blocking=False)
        self._numbers = {entry["cause"]: entry["number"] for entry in (*self.causes, *self.warnings)}
        self._job_numbers = {identity: number for number, identity in enumerate(summary.jobs)}
        self.most_blocked, self.most_ready = MOST_BLOCKED, MOST_READY
        self.types = sorted({item.type for item in summary.blocked})
        self.states = [(state, LEGEND[state]) for state in STATES if summary.totals[state].items]
        self.sooner = min((job for job in self.jobs if job["left"] is not None), key=_left, default=None)

    def blocked_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the items that are blocked, as many as are shown."""
        return map(self._row, self._summary.blocked)

    def ready_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the items that passed, as many as are shown."""
        return map(self._row, self._summary.ready)

    def _row(self, item: Item) -> dict[str, Any]:
        moment = parse_moment(item.date)
        return {
            "iso": item.date[:_DAY] if moment else "",
            "date": figures.day(moment) if moment else item.date,
            "person": item.person,
            "supplier": item.supplier,
            "type": item.type,
            "kind": words(item.type),
            "amount": None if item.minor is None else _money(major(item.minor, item.currency), self._setting.style),
            "currency": item.currency,
            "reasons": [shown(remedy(cause).title, 200) for cause in item.causes if cause.blocking],
            "numbers": " ".join(str(self._numbers[c]) for c in item.causes if c in self._numbers),
            "job": self._job_numbers[item.job],
            "job_name": item.job[:_ID],
            "link": item.link,
        }

    def _job(self, number: int, group: JobGroup) -> dict[str, Any]:
        job = group.job
        created = parse_moment(job.created)
        known = max(group.items, 1)
        return {
            "number": number,
            "name": job.id[:_ID],
            "id": job.id,
            "company": job.company,
            "created": figures.time_of_day(created) if created else "",
            "announced": job.announced,
            "group": group,
            "parts": [(state, group[state].items) for state in STATES if group[state].items],
            "bar": list(_stack([(state, group[state].items / known) for state in STATES])),
            **_deadline(job, self._setting.written),
        }

    def _causes(self, *, blocking: bool) -> list[dict[str, Any]]:
        ranked = self._summary.ranked(blocking=blocking)
        most = ranked[0][1].items if ranked else 1
        first = 0 if blocking else len(self._summary.causes)
        return [self._cause(first + number, cause, group, most) for number, (cause, group) in enumerate(ranked)]

    @staticmethod
    def _cause(number: int, cause: Cause, group: Group, most: int) -> dict[str, Any]:
        told = remedy(cause)
        return {
            "number": number,
            "cause": cause,
            "title": told.title,
            "advice": told.advice,
            "who": [(place, WHO[place]) for place in told.places],
            "group": group,
            "bar": max(round(BAR * group.items / most), _LEAST),
        }


LEGEND: dict[State, str] = {
    "ready": "ready",
    "blocked": "blocked",
    "unchecked": "not checked",
    "recorded": "recorded already",
    "refused": "refused earlier",
}
"""What states are called on the page."""


def _left(job: dict[str, Any]) -> int:
    return int(job["left"])


def _deadline(job: Job, now: datetime) -> dict[str, Any]:
    """Return the minutes that are left, None if nobody knows, and how they are told."""
    expires = parse_moment(job.expires)
    if expires is None:
        return {"left": None, "until": "", "span": "", "over": False}
    left = int((expires - now).total_seconds() // 60)
    return {
        "left": left if left >= 0 else None,
        "until": figures.time_of_day(expires),
        "span": figures.span(max(left, 0)),
        "over": left < 0,
    }


def _stack(parts: list[tuple[State, float]]) -> Iterator[tuple[State, int, int]]:
    """Yield the pieces of a stacked bar: state, where it starts, how wide it is; the smallest can be seen."""
    widths = [(state, max(round(part * BAR), _LEAST)) for state, part in parts if part]
    scale = BAR / max(sum(width for _, width in widths), 1)
    start = 0.0
    for state, width in widths:
        end = start + width * scale
        yield state, round(start), round(end) - round(start)
        start = end


def _number(count: int, style: figures.Style) -> Markup:
    return Markup('<data value="{}">{}</data>').format(count, style.number(str(count)))


def _money(digits: str, style: figures.Style) -> Markup:
    return Markup('<data value="{}">{}</data>').format(digits, style.number(digits))


def _sums(sums: Sums, style: figures.Style) -> list[tuple[Markup, str]]:
    return [(_money(major(sums[name], name), style), name) for name in sorted(sums)]


def _shipped(name: str) -> str:
    return resources.files("tap_pleo_export.blocked_report").joinpath("page", name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
