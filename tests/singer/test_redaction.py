"""No secret in a log line."""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.logging import ConsoleFormatter, StructuredFormatter
from singer_sdk.metrics import Metric, Point

from tap_pleo_export.singer import redaction
from tap_pleo_export.singer.redaction import SECRETS, SecretsFilter, guard_logs

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=4)


def logged(secrets: list[str], message: str, *args: object) -> str:
    filter_ = SecretsFilter()
    filter_.learn(secrets)
    record = logging.LogRecord("x", logging.DEBUG, "", 1, message, args, None)
    assert filter_.filter(record)
    return record.getMessage()


@given(secrets=st.lists(PRINTABLE, min_size=1, max_size=4), around=st.lists(st.text("αβ "), min_size=5, max_size=5))
def test_no_known_secret_gets_through(secrets: list[str], around: list[str]) -> None:
    message = "".join(text + secret for text, secret in zip(around, secrets, strict=False))

    masked = logged(secrets, "%s", message)

    # The mask itself may look like a secret made of asterisks.
    assert all(secret not in masked or secret in "***" * 9 for secret in secrets)


@pytest.mark.parametrize(
    "header",
    ["Basic " + b64encode(b"key-nobody-told:").decode(), "Bearer abc.def-ghi_jkl", "Bearer 0123456789abcdef=="],
)
def test_an_authorization_header_is_masked_even_if_unknown(header: str) -> None:
    masked = logged([], "sending {'Authorization': '%s'}", header)

    assert header.split()[1] not in masked
    assert masked.startswith("sending {'Authorization': '" + header.split(maxsplit=1)[0])


def test_a_longer_secret_is_masked_whole() -> None:
    assert logged(["abcd", "abcd-efgh"], "it is abcd-efgh.") == "it is ***."


def test_ordinary_lines_stay_as_they_are() -> None:
    assert logged(["secret-value"], "page %d of %s", 3, "job") == "page 3 of job"


# What nobody has told


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("see https://files.pleo.io/a/b.jpg?X-Sig=abc&e=1 now", "see https://files.pleo.io/a/b.jpg?*** now"),
        (r'"url":"https:\/\/files.pleo.io\/b?sig=abc"', r'"url":"https:\/\/files.pleo.io\/b?***"'),
        (
            'http://127.0.0.1:80 "GET /v3/items?job_id=1&after=x HTTP/1.1"',
            'http://127.0.0.1:80 "GET /v3/items?*** HTTP/1.1"',
        ),
        ("proxy http://user:pw@proxy:80/", "proxy http://***@proxy:80/"),
        ('{"refresh_token": "abcdefghijklmnop"}', '{"refresh_token": "***"}'),
        ("grant_type=x&client_secret=abcdefghijklmnop&a=b", "grant_type=x&client_secret=***&a=b"),
        ("to GB33BUKB20201555555555, please", "to ***, please"),
        ("to GB33 BUKB 2020 1555 5555 55 of Acme", "to *** of Acme"),
        ("to gb33-bukb-2020-1555-5555-55", "to ***"),
        ("AB12 GB33BUKB20201555555555 DE00123456789012345678", "AB12 *** ***"),
        ("IBAN:NO9386011117947", "IBAN:***"),
    ],
)
def test_addresses_with_a_query_and_bank_accounts_are_masked(message: str, masked: str) -> None:
    assert logged([], "%s", message) == masked


@pytest.mark.parametrize(
    "message",
    [
        "Export job 8eb648ab-464b-42a0-ba17-eda703657e33: row 3 is unusable",
        "ab12cd34ef56ab12cd34ef56ab12cd34 is an id",
        "Setting 'api_key': must be of type string",
        "Setting 'client_secret' is missing: 'client_id', 'refresh_token' cannot do without it",
        "either/or? Yes, https://external.pleo.io is fine",
        "GET /v3/export-items: status 503; trying again, up to 8 times, next in 0.7 s",
        "Too many credentials: 'api_key', 'access_token'. Set exactly one",
    ],
)
def test_lines_that_hold_none_of_it_stay_as_they_are(message: str) -> None:
    assert logged(["secret-value"], "%s", message) == message


def test_bank_details_of_a_page_are_masked() -> None:
    filter_ = SecretsFilter()
    account = {"bankName": "Lunar", "country": "DK", "accountNumber": "0012345678", "bic": "LUNADK22", "bankCode": None}
    filter_.learn_bank_details(json.dumps({"data": [{"supplierBankAccount": account}]}).encode())
    filter_.learn_bank_details(b'{"supplierBankAccount": {"a": "\\x"}, "supplierBankAccount": null}')

    assert filter_.one_line("Lunar DK 0012345678 LUNADK22") == "Lunar DK *** ***"


def test_bank_details_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "MOST_BANK_ACCOUNTS", 2)
    filter_ = SecretsFilter()
    for number in range(3):
        filter_.learn_bank_details(b'{"supplierBankAccount":{"accountNumber":"account-%d"}}' % number)

    assert filter_.one_line("account-0 account-1 account-2") == "account-0 *** ***"


# How it may be written


@pytest.mark.parametrize(
    "written", ["s3cr&t/ \n", "S3CR&T/", "s3cr%26t%2F", "s3cr%26t%2F+%0A", "s3cr&t/ \\n", "s3cr&t/"]
)
def test_a_secret_is_masked_in_every_spelling(written: str) -> None:
    assert "s3cr" not in logged(["s3cr&t/ \n"], "it is %s.", written).lower()


def test_the_beginning_of_a_secret_that_was_cut_is_masked() -> None:
    assert logged(["abcdefghijkl"], "Pleo said abcdefgh… and ab…") == "Pleo said ***… and ab…"


def test_no_message_is_more_than_one_line_or_endless() -> None:
    forged = "job\n2026-01-01 00:00:00,000 | ERROR    | x | forged\x1b[31m\r\u2028\u202e\ud800"

    line = logged([], "%s", forged + "x" * 1_000_000)

    assert line.startswith(r"job\n2026-01-01 00:00:00,000 | ERROR    | x | forged\x1b[31m\r\u2028\u202e\ud800xxx")
    assert line.isprintable()
    assert len(line) == 4000


@pytest.mark.parametrize("long", ["/" * 1_000_000, "AB12 " * 200_000, "a" * 1_000_000 + "?b", "Bearer " * 100_000])
def test_a_long_message_does_not_take_long(long: str) -> None:
    began = time.monotonic()

    logged(["abcdef"], "%s", long)

    assert time.monotonic() - began < 2


def test_arguments_that_do_not_fit_are_not_printed() -> None:
    assert logged(["hush-hush"], "%d of %d", "hush-hush") == "%d of %d (its arguments do not fit: TypeError)"


@pytest.mark.parametrize("formatter", [ConsoleFormatter(), StructuredFormatter()], ids=["console", "structured"])
def test_tracebacks_and_stacks_are_masked_causes_included(formatter: logging.Formatter) -> None:
    filter_ = SecretsFilter()
    filter_.learn(["hush-hush-hush"])

    nothing: dict[str, str] = {}
    try:
        try:
            nothing["Bearer hush-hush-hush https://x.io/?sig=1234"]
        except KeyError as error:
            raise ValueError("context\n2026 | ERROR | x | forged hush-hush-hush") from error
    except ValueError:
        record = logging.LogRecord("x", logging.DEBUG, "", 1, "failed", (), sys.exc_info(), sinfo="hush-hush-hush")
    assert filter_.filter(record)
    assert filter_.filter(record)

    text = formatter.format(record)

    assert "hush" not in text
    assert "1234" not in text
    assert "ValueError" in text
    assert not any(line.startswith("2026 | ERROR") for line in text.splitlines())


def test_metrics_stay_metrics() -> None:
    point = Point("counter", metric=Metric.RECORD_COUNT, value=1, tags={})
    record = logging.LogRecord("x", logging.INFO, "", 1, "METRIC: %s", (point,), None)

    SecretsFilter().filter(record)

    assert (record.msg, record.args) == ("METRIC: %s", (point,))


def test_every_handler_gets_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = [logging.StreamHandler(io.StringIO()) for _ in range(2)]
    monkeypatch.setattr(logging.getLogger(), "handlers", handlers[:1])
    logger = logging.getLogger("of-a-library")
    monkeypatch.setattr(logger, "handlers", handlers[1:])
    monkeypatch.setattr(logger, "propagate", False)

    guard_logs()
    guard_logs()

    assert [handler.filters for handler in handlers] == [[SECRETS], [SECRETS]]
    assert logging.lastResort is not None
    logging.lastResort.removeFilter(SECRETS)
