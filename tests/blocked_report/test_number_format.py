from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.blocked_report.number_format import (
    ENGLISH,
    day,
    environment_locale,
    find_locale,
    language_tag,
    number,
    span,
    time_of_day,
)

SPANS = {
    0: "0 min",
    59: "59 min",
    60: "1 h 0 min",
    1500: "25 h 0 min",
    2880: "2 days",
    365 * 1440: "365 days",
    2**25: "more than a year",
}


@pytest.mark.parametrize(
    ("locale", "tag", "expected"),
    [
        ("en_GB.UTF-8", "en-GB", "-1,234,567.50"),
        ("de-DE", "de-DE", "-1.234.567,50"),
        ("de_CH", "de-CH", "-1'234'567.50"),
        ("fr", "fr", "-1\u202f234\u202f567,50"),
        ("da_DK@euro", "da-DK", "-1.234.567,50"),
    ],
)
def test_numbers_are_written_in_a_locale(locale: str, tag: str, expected: str) -> None:
    found = find_locale(locale)

    assert found
    assert language_tag(found) == tag
    assert number(Decimal("-1234567.50"), found).replace("’", "'") == expected
    assert f"-{number(1234567, found)}".replace("’", "'") == expected[:-3]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**60), max_value=10**60, places=60))
def test_every_digit_is_written(value: Decimal) -> None:
    assert Decimal(number(value, ENGLISH).replace(",", "")) == value


@pytest.mark.parametrize("locale", ["", "xx_XX", "tlh"])
def test_unknown_locale_is_not_found(locale: str) -> None:
    assert find_locale(locale) is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "de_DE", "LC_NUMERIC": "fr_FR"}, "fr-FR"),
        ({"LANG": "de_DE", "LC_ALL": "", "LC_NUMERIC": ""}, "de-DE"),
        ({"LANG": "de_DE", "LC_ALL": "it_IT"}, "it-IT"),
        ({"LANG": "nonsense"}, "en"),
        ({}, "en"),
    ],
)
def test_locale_of_the_environment_follows_posix(environment: dict[str, str], expected: str) -> None:
    assert language_tag(environment_locale(environment)) == expected


@pytest.mark.parametrize(("minutes", "expected"), SPANS.items())
def test_time_span(minutes: int, expected: str) -> None:
    assert span(minutes) == expected


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Copenhagen", "5 Sep 2026, 09:04 CEST"),
        ("America/Sao_Paulo", "5 Sep 2026, 04:04 UTC-03"),
        ("Asia/Kathmandu", "5 Sep 2026, 12:49 UTC+0545"),
    ],
)
def test_times_show_their_zone(zone: str, expected: str) -> None:
    assert time_of_day(datetime(2026, 9, 5, 7, 4, tzinfo=UTC), ZoneInfo(zone)) == expected


def test_dates_are_english_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babel.dates.LC_TIME", "fr_FR")
    moment = datetime(2026, 9, 5, 7, 4, tzinfo=UTC)
    assert time_of_day(moment) == "5 Sep 2026, 07:04 UTC"
    assert day(moment) == "5 Sep 2026"
