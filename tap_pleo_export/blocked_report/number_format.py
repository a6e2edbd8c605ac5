"""Numbers, dates and spans of time as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_MINUTES_OF_AN_HOUR = 60
_MINUTES_OF_TWO_DAYS = 2 * 24 * 60
_DAYS_OF_A_YEAR = 365
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_GROUP = 3
_NARROW = "\u202f"

_MARKS = {
    ",.": "en en_AU en_CA en_GB en_IE en_US ja ko th zh he",
    ".,": "de nl da es it pt el id tr ro sl hr sr is ca gl",
    f"{_NARROW},": "fr sv nb no nn fi pl cs sk hu bg et lv lt uk ru de_AT pt_PT en_ZA",
    "’.": "de_CH it_CH fr_CH de_LI rm",  # noqa: RUF001 - the Swiss mark
}


class Style(NamedTuple):
    """How a language writes numbers.

    Attributes:
        group: Between thousands.
        point: Before decimals.
    """

    group: str = ","
    point: str = "."

    def number(self, digits: str) -> str:
        """Return a plain decimal number, "-1234.50", in this style; no digit is lost."""
        sign = "\u2212" if digits.startswith("-") else ""
        whole, _, fraction = digits.removeprefix("-").partition(".")
        first = len(whole) % _GROUP or _GROUP
        groups = [whole[:first], *(whole[at : at + _GROUP] for at in range(first, len(whole), _GROUP))]
        return sign + self.group.join(groups) + (self.point + fraction if fraction else "")


_STYLES = {name: Style(*marks) for marks, names in _MARKS.items() for name in names.split()}


def style(locale: str) -> Style | None:
    """Return how a locale such as `de_DE.UTF-8` or `de-CH` writes numbers; None of one that is not known."""
    name = locale.partition(".")[0].partition("@")[0].replace("-", "_")
    language, _, region = name.partition("_")
    return _STYLES.get(f"{language.lower()}_{region.upper()}") or _STYLES.get(language.lower())


def locale_of(environment: Mapping[str, str]) -> str:
    """Return the locale of numbers that the environment asks for, by the order of POSIX; "" if none is."""
    return next((value for name in ("LC_ALL", "LC_NUMERIC", "LANG") if (value := environment.get(name))), "")


def day(moment: datetime) -> str:
    """Return a date that no country reads differently: "5 Nov 2026"."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def time_of_day(moment: datetime) -> str:
    """Return day and time: "5 Nov 2026, 13:04 UTC"."""
    return f"{day(moment)}, {moment:%H:%M} UTC"


def span(minutes: int) -> str:
    """Return a span of time that is left."""
    if minutes < _MINUTES_OF_AN_HOUR:
        return f"{minutes} min"
    hours, rest = divmod(minutes, _MINUTES_OF_AN_HOUR)
    if minutes < _MINUTES_OF_TWO_DAYS:
        return f"{hours} h {rest} min"
    days = hours // 24
    return f"{days} days" if days <= _DAYS_OF_A_YEAR else "more than a year"
