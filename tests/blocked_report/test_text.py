from __future__ import annotations

import pytest

from tap_pleo_export.blocked_report.spreadsheet import escape
from tap_pleo_export.blocked_report.text import TYPES, clean_id, clean_text, safe_link, short_id, type_name
from tap_pleo_export.validation.vocabulary import ITEM_TYPES


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
def test_text_becomes_one_safe_line(given: object, expected: str) -> None:
    assert clean_text(given) == expected


@pytest.mark.parametrize(
    ("length", "expected"), [(80, "x" * 80), *((length, "x" * 79 + "…") for length in (81, 320, 321, 5_000_000))]
)
def test_long_text_is_cut_with_an_ellipsis(length: int, expected: str) -> None:
    assert clean_text("x" * length) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("x" * 78 + " and more", "x" * 78 + "…"),
        ("x" + " " * 319, "x"),
        ("x" + " " * 320, "x…"),
        (" " * 320 + "too late", "…"),
    ],
)
def test_only_the_beginning_of_a_long_text_is_shown(given: str, expected: str) -> None:
    assert clean_text(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("3FA85F64-5717-4562-B3FC-2C963F66AFA6", "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
        ("Company A", "company a"),
        ("X" * 64, "x" * 64),
        ("X" * 65, "x" * 63 + "…"),
        (None, ""),
    ],
)
def test_ids_are_in_lower_case(given: object, expected: str) -> None:
    assert clean_id(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("3fa85f64-5717-4562-b3fc-2c963f66afa6", "3fa85f64"), ("fourteen-chars", "fourteen-chars")],
)
def test_only_uuids_are_shortened(given: str, expected: str) -> None:
    assert short_id(given) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("atm_withdrawal", "ATM withdrawal"), ("wallet_topup", "Wallet top-up"), ("crypto_swap", "Crypto swap"), ("", "")],
)
def test_types_are_named_as_bookkeepers_name_them(name: str, expected: str) -> None:
    assert type_name(name) == expected


def test_every_documented_type_has_a_name() -> None:
    assert set(TYPES) == set(ITEM_TYPES)


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
        ("https://a[b/", ""),
        ("https:///nowhere", ""),
        ("https://app.pleo.io/" + "x" * 480, "https://app.pleo.io/" + "x" * 480),
        ("https://app.pleo.io/" + "x" * 481, ""),
        (None, ""),
    ],
)
def test_only_public_https_addresses_are_links(address: object, expected: str) -> None:
    assert safe_link(address) == expected


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
def test_formulas_are_escaped(text: str, expected: str) -> None:
    assert escape(text) == expected
