from __future__ import annotations

import pytest

from tap_pleo_export.blocked_report.spreadsheet import tame
from tap_pleo_export.blocked_report.text import link, shown


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Zoë Müller", "Zoë Müller"),
        (" two\n\tlines ", "two lines"),
        ("a\u202eb", "a\ufffdb"),
        ("a\x00\x1b[31mb", "a\ufffd\ufffd[31mb"),
        ("a\ud800b", "a\ufffdb"),
        ("DE89370400440532013000", "***"),
        ("Target, IBAN GB33 BUKB 2020 1555 5555 55", "Target, IBAN ***"),
        (None, ""),
        (17, ""),
        (["a"], ""),
    ],
)
def test_foreign_text_is_one_harmless_line(given: object, expected: str) -> None:
    assert shown(given) == expected


@pytest.mark.parametrize("length", [81, 320, 321, 5_000_000])
def test_long_text_is_cut_and_says_so(length: int) -> None:
    assert shown("x" * length) == "x" * 79 + "…"


def test_text_of_the_full_length_is_whole() -> None:
    assert shown("x" * 80) == "x" * 80


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://app.pleo.io/export/1", "https://app.pleo.io/export/1"),
        ("https://app.pleo.io/e/1?X-Amz-Signature=0123#part", "https://app.pleo.io/e/1"),
        ("http://app.pleo.io/e/1", ""),
        ("javascript:alert(1)", ""),
        ("https://user:password@app.pleo.io/e/1", ""),
        ("https://app.pleo.io/e 1", ""),
        ("https://[bad/", ""),
        ("https:///nowhere", ""),
        ("https://app.pleo.io/" + "x" * 500, ""),
        (None, ""),
    ],
)
def test_only_plain_addresses_are_links(address: object, expected: str) -> None:
    assert link(address) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ('  "=HYPERLINK(1)', "  \"'=HYPERLINK(1)"),
        ("\uff1dA1", "'\uff1dA1"),
        ("Café; =cmd|' /C calc'!A0", "Café; '=cmd|' /C calc'!A0"),
        ("a\t=b", "a\t'=b"),
        ("Smith & Sons, Ltd. - 2", "Smith & Sons, Ltd. - 2"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text: str, expected: str) -> None:
    assert tame(text) == expected
