"""The report as one HTML file. It loads nothing and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tap_pleo_export.blocked_report.causes import PLACES, remedy_of
from tap_pleo_export.blocked_report.grouping import FINAL_STATUSES, MAX_BLOCKED, MAX_READY, STATES
from tap_pleo_export.blocked_report.money import booked, in_major_units
from tap_pleo_export.blocked_report.number_format import day, language_tag, number, span, time_of_day
from tap_pleo_export.blocked_report.text import clean_text, short_id, type_name, words
from tap_pleo_export.text import parse_time

if TYPE_CHECKING:
    from babel import Locale

    from tap_pleo_export.blocked_report.causes import Cause
    from tap_pleo_export.blocked_report.grouping import JobTotals, State, Summary, Total
    from tap_pleo_export.blocked_report.item import ReportItem, ReportJob
    from tap_pleo_export.blocked_report.money import Sums

_BAR_WIDTH = 1000
_MIN_PART = 8
SHORT_ID = 8
"""Characters shown of the ids of jobs."""
_MAX_TITLE = 200
EXPIRED = "expired"
"""How a job ended that passed its expiry."""


def render(
    summary: Summary,
    written: datetime,
    locale: Locale,
    *,
    zone: tzinfo | None = None,
    keep_locale: bool = False,
) -> Iterator[str]:
    """Yield the page in pieces.

    Args:
        summary: The content.
        written: Current time, UTC.
        locale: Locale of the numbers.
        zone: Time zone of the times; None is UTC, until the reader's browser shows them in its own.
        keep_locale: Whether the reader's browser keeps that locale instead of using its own.
    """
    style, script = _asset("page.css"), _asset("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: _data(value, locale)
    environment.filters["sums"] = lambda sums: _sums(sums, locale)
    environment.filters["type_name"] = type_name
    environment.filters["short_id"] = short_id
    return environment.from_string(_asset("page.html")).generate(
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)};"
        " base-uri 'none'; form-action 'none'",
        locale=language_tag(locale) if keep_locale else "",
        version=version("tap-pleo-export"),
        view=_View(summary, written, locale, zone),
        summary=summary,
    )


class _View:
    """Values that the template shows."""

    def __init__(self, summary: Summary, written: datetime, locale: Locale, zone: tzinfo | None) -> None:
        self._summary = summary
        self._now = written
        self._locale = locale
        self._zone = zone
        self._job_numbers = {job_id: index for index, job_id in enumerate(summary.jobs)}
        self._cause_numbers: dict[Cause, int] = {}
        self.blocked, self.ready = summary.totals["blocked"], summary.totals["ready"]
        self.max_blocked, self.max_ready = MAX_BLOCKED, MAX_READY
        self.written = self._time(written)
        self.as_of = self._time(summary.as_of)
        self.jobs = [self._job(index, totals) for index, totals in enumerate(summary.jobs.values())]
        self.causes = self._causes(blocking=True)
        self.warnings = self._causes(blocking=False)
        self.types = sorted({item.type for item in summary.blocked})
        self.parts = [(state, STATES[state], items) for state, items in summary.totals.parts]
        # Lazy: the page is written row by row.
        self.blocked_rows = map(self._row, summary.blocked)
        self.ready_rows = map(self._row, summary.ready)
        timed = [job for job in self.jobs if job["minutes"] is not None]
        self.next_deadline = min(timed, key=lambda job: int(job["minutes"]), default=None)

    def _row(self, item: ReportItem) -> dict[str, Any]:
        time = parse_time(item.date)
        exact, whole = item.minor, None if item.minor is None else booked(item.minor)
        numbers = (self._cause_numbers.get(cause) for cause in item.causes)
        return {
            "item": item,
            "iso": time.date().isoformat() if time else "",
            "date": day(time) if time else item.date,
            "amount": self._amount(whole, item.currency),
            "exact": None if exact == whole else self._amount(exact, item.currency),
            "reasons": [clean_text(remedy_of(cause).title, _MAX_TITLE) for cause in item.causes if cause.blocking],
            "causes": " ".join(str(index) for index in numbers if index is not None),
            "job": self._job_numbers[item.job],
            "job_name": item.job[:SHORT_ID],
        }

    def _time(self, moment: datetime | None) -> Markup:
        if moment is None:
            return Markup()
        name = "at" if self._zone is None else "at fixed"
        shown = time_of_day(moment, self._zone or UTC)
        return Markup('<time class="{}" datetime="{}">{}</time>').format(name, moment.isoformat(), shown)

    def _amount(self, minor: Decimal | None, currency: str) -> Markup | None:
        return None if minor is None else _data(in_major_units(minor, currency), self._locale)

    def _job(self, index: int, totals: JobTotals) -> dict[str, Any]:
        job = totals.job
        counts = {state: totals[state].items for state in STATES if totals[state].items}
        return {
            "number": index,
            "name": job.id[:SHORT_ID],
            "company": job.company,
            "created": self._time(parse_time(job.created)),
            "announced": job.announced,
            "totals": totals,
            "description": ", ".join(f"{count} {STATES[state]}" for state, count in counts.items()) or "no items",
            "parts": [(STATES[state].capitalize(), items) for state, items in totals.parts],
            "bar": list(_stacked(counts)),
            "until": self._time(parse_time(job.expires)),
            **deadline(job, self._now),
        }

    def _causes(self, *, blocking: bool) -> list[dict[str, Any]]:
        ranked = self._summary.ranked(blocking=blocking)
        return [self._cause(cause, total, total.items / ranked[0][1].items) for cause, total in ranked]

    def _cause(self, cause: Cause, total: Total, share: float) -> dict[str, Any]:
        remedy = remedy_of(cause)
        return {
            "number": self._cause_numbers.setdefault(cause, len(self._cause_numbers)),
            "title": remedy.title,
            "advice": remedy.advice,
            "places": [(place, PLACES[place]) for place in remedy.places],
            "total": total,
            "bar": max(round(_BAR_WIDTH * share), _MIN_PART),
        }


def deadline(job: ReportJob, now: datetime) -> dict[str, Any]:
    """Return the minutes until a job expires, None if that is unknown or it is over, and how it ended."""
    expires = parse_time(job.expires)
    if job.is_over:
        was_listed = job.status in FINAL_STATUSES and not job.expired
        return {"minutes": None, "span": "", "ended": words(job.status).lower() if was_listed else EXPIRED}
    minutes = int((expires - now).total_seconds() // 60) if expires else None
    return {"minutes": minutes, "span": "" if minutes is None else span(minutes), "ended": ""}


def _stacked(counts: dict[State, int]) -> Iterator[tuple[State, int, int]]:
    """Yield the parts of a stacked bar: state, start and width. Even the smallest part is visible."""
    total = sum(counts.values())
    widths = {state: max(round(_BAR_WIDTH * count / total), _MIN_PART) for state, count in counts.items()}
    start = 0.0
    for state, width in widths.items():
        end = start + _BAR_WIDTH * width / sum(widths.values())
        yield state, round(start), round(end) - round(start)
        start = end


def _data(value: Decimal | int, locale: Locale) -> Markup:
    return Markup('<data value="{}">{}</data>').format(f"{Decimal(value):f}", number(value, locale))


def _sums(sums: Sums, locale: Locale) -> list[tuple[Markup, str]]:
    return [(_data(in_major_units(sums[currency], currency), locale), currency) for currency in sorted(sums)]


def _asset(name: str) -> Markup:
    text = resources.files("tap_pleo_export.blocked_report").joinpath("page", name).read_text("utf-8")
    return Markup(text)  # noqa: S704 - a file of this package, without data


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
