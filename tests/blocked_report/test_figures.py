from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tap_pleo_export.blocked_report import number_format as figures


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en_GB.UTF-8", "\u22121,234,567.50"),
        ("de-DE", "\u22121.234.567,50"),
        ("de_CH", "\u22121’234’567.50"),  # noqa: RUF001 - the Swiss mark
        ("fr", "\u22121\u202f234\u202f567,50"),
        ("da_DK@euro", "\u22121.234.567,50"),
    ],
)
def test_numbers_are_written_as_the_locale_has_it(locale: str, expected: str) -> None:
    style = figures.style(locale)

    assert style
    assert style.number("-1234567.50") == expected


@pytest.mark.parametrize("locale", ["", "C", "POSIX", "xx_XX"])
def test_a_locale_that_says_nothing_has_no_style(locale: str) -> None:
    assert figures.style(locale) is None


def test_the_environment_is_asked_in_the_order_of_posix() -> None:
    assert figures.locale_of({"LANG": "de_DE", "LC_NUMERIC": "fr_FR"}) == "fr_FR"
    assert figures.locale_of({"LANG": "de_DE", "LC_ALL": "", "LC_NUMERIC": ""}) == "de_DE"
    assert figures.locale_of({}) == ""


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (0, "0 min"),
        (59, "59 min"),
        (60, "1 h 0 min"),
        (1500, "25 h 0 min"),
        (2880, "2 days"),
        (2**25, "more than a year"),
    ],
)
def test_spans(minutes: int, expected: str) -> None:
    assert figures.span(minutes) == expected


def test_a_moment_reads_the_same_in_every_country() -> None:
    assert figures.time_of_day(datetime(2026, 3, 5, 7, 4, tzinfo=UTC)) == "5 Mar 2026, 07:04 UTC"
