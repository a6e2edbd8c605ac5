"""Numbers, dates and time spans as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.core import get_locale_identifier
from babel.dates import format_datetime

ENGLISH = Locale("en")
_HOUR = 60
_DAY = 24 * _HOUR
_YEAR = 365


def find_locale(name: str) -> Locale | None:
    """Return the locale of a name such as `de-CH` or `de_DE.UTF-8`; None if it is unknown."""
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None


def language_tag(locale: Locale) -> str:
    """Return the BCP 47 tag of a locale: "de-CH"."""
    return get_locale_identifier((locale.language, locale.territory, locale.script), sep="-")


def environment_locale(environment: Mapping[str, str]) -> Locale:
    """Return the locale that the environment sets for numbers, in the order of POSIX; English by default."""
    names = map(environment.get, ("LC_ALL", "LC_NUMERIC", "LANG"))
    return find_locale(next(filter(None, names), "")) or ENGLISH


def number(value: Decimal | int, locale: Locale) -> str:
    """Write a number with all its digits, in groups of three."""
    # Not `format_decimal`: it rounds to 28 digits, and Babel 2.19 drops the Swiss group separator.
    symbols = locale.number_symbols["latn"]
    marks = {",": symbols["group"], ".": symbols["decimal"], "-": symbols["minusSign"]}
    return f"{Decimal(value):,f}".translate(str.maketrans(marks))


def day(moment: datetime) -> str:
    """Write a date that reads the same in every country: "5 Nov 2026"."""
    return format_datetime(moment, "d MMM y", locale=ENGLISH)


def time_of_day(moment: datetime, zone: tzinfo | None = UTC) -> str:
    """Write date and time in a time zone, None is the machine's: "5 Nov 2026, 13:04 UTC"."""
    local = moment.astimezone(zone)
    return f"{format_datetime(local, 'd MMM y, HH:mm', locale=ENGLISH)} {zone_name(local)}"


def zone_name(moment: datetime) -> str:
    """Return the name of a time's zone: "CET", or "UTC+03" where zones have no names."""
    name = moment.tzname() or ""
    return f"UTC{name}" if name.startswith(("+", "-")) else name


def span(minutes: int) -> str:
    """Write the time that is left."""
    if minutes < _HOUR:
        return f"{minutes} min"
    if minutes < 2 * _DAY:
        return f"{minutes // _HOUR} h {minutes % _HOUR} min"
    days = minutes // _DAY
    return f"{days} days" if days <= _YEAR else "more than a year"
