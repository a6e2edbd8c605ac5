"""Secrets never appear in log lines."""

from __future__ import annotations

import html
import io
import json
import logging
import re
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_sdk.logging import ConsoleFormatter, StructuredFormatter
from singer_sdk.metrics import Metric, Point

from tap_pleo_export.singer.redaction import SECRETS, SecretsFilter, guard_logs

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=4)


def logged(secrets: list[str], message: str, *args: object) -> str:
    filter_ = SecretsFilter()
    filter_.learn(secrets)
    record = logging.LogRecord("x", logging.DEBUG, "", 1, message, args, None)
    assert filter_.filter(record)
    return record.getMessage()


@given(secrets=st.lists(PRINTABLE, min_size=1, max_size=4), around=st.lists(st.text("αβ "), min_size=5, max_size=5))
def test_known_secrets_are_masked(secrets: list[str], around: list[str]) -> None:
    message = "".join(text + secret for text, secret in zip(around, secrets, strict=False))

    masked = logged(secrets, "%s", message)

    # The mask itself may look like a secret made of asterisks.
    assert all(secret not in masked or secret in "***" * 9 for secret in secrets)


@pytest.mark.parametrize(
    "header", ["Basic " + b64encode(b"unknown-key:").decode(), "Bearer abc.def-ghi_jkl", "Bearer 0123456789abcdef=="]
)
def test_unknown_authorization_header_is_masked(header: str) -> None:
    masked = logged([], "sending {'Authorization': '%s'}", header)

    assert header.split()[1] not in masked
    assert masked.startswith("sending {'Authorization': '" + header.split(maxsplit=1)[0])


def test_secret_with_another_as_prefix_is_masked_completely() -> None:
    assert logged(["abcd", "abcd-efgh"], "it is abcd-efgh.") == "it is ***."


def test_ordinary_lines_are_unchanged() -> None:
    assert logged(["secret-value"], "page %d of %s", 3, "job") == "page 3 of job"


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("see https://files.pleo.io/a/b.jpg?X-Sig=abc&e=1 now", "see https://files.pleo.io/*** now"),
        (r'"url":"https:\/\/files.pleo.io\/b?sig=abc"', r'"url":"https:\/\/files.pleo.io\/***"'),
        ("not at https://files.example/s/Zm9vYmFy/1.pdf.", "not at https://files.example/***."),
        ("HTTPS://FILES.EXAMPLE:8443/S/ZM9V", "HTTPS://FILES.EXAMPLE:8443/***"),
        ("https%3A%2F%2Ffiles.example%2Fs%2FZm9v", "https%3A%2F%2Ffiles.example%2F***"),
        ("https://files.example?sig=abc", "https://files.example?***"),
        ("https://u:p@files.example/s/Zm9v)", "https://***@files.example/***)"),
        ("https://external.pleo.io/v3/export-items?job_id=1", "https://external.pleo.io/v3/export-items?***"),
        ("like https://auth.pleo.io/oauth/token", "like https://auth.pleo.io/oauth/token"),
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
def test_url_queries_credentials_and_ibans_are_masked(message: str, masked: str) -> None:
    assert logged([], "%s", message) == masked


@pytest.mark.parametrize(
    "message",
    [
        "Export job 8eb648ab-464b-42a0-ba17-eda703657e33: row 3 is unusable",
        "ab12cd34ef56ab12cd34ef56ab12cd34 is an id",
        "Setting 'api_key': must be text without blanks; copy it again",
        "Setting 'client_secret' is missing: it is required with 'client_id', 'refresh_token'",
        "either/or? Yes, https://external.pleo.io is fine",
        "GET /v3/export-items: status 503; trying again, up to 8 times, next in 0.7 s",
        "Too many credentials: 'api_key', 'access_token'. Set exactly one",
    ],
)
def test_similar_text_is_not_masked(message: str) -> None:
    assert logged(["secret-value"], "%s", message) == message


@pytest.mark.parametrize(
    "written", ["s3cr&t/ \n", "S3CR&T/", "s3cr%26t%2F", "s3cr%26t%2F+%0A", "s3cr&t/ \\n", "s3cr&t/"]
)
def test_secret_is_masked_in_every_encoding(written: str) -> None:
    assert "s3cr" not in logged(["s3cr&t/ \n"], "it is %s.", written).lower()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "url": quote,
    "url, all": lambda text: quote(text, safe=""),
    "form": lambda text: urlencode({"client_secret": text}),
    "json": json.dumps,
    "json, slashes": lambda text: json.dumps(text).replace("/", r"\/"),
    "json as .NET": lambda text: re.sub(r"[^A-Za-z0-9]", lambda found: rf"\u{ord(found[0]):04X}", text),
    "html": html.escape,
    "shell": lambda text: re.sub(r"[^A-Za-z0-9]", r"\\\g<0>", text),
    "api key": lambda text: b64encode(f"{text}:".encode()).decode(),
    "client secret": lambda text: b64encode(f"user:{text}".encode()).decode(),
    "client secret of a longer id": lambda text: b64encode(f"users:{text} ".encode()).decode(),
    "base64 of the form": lambda text: b64encode(f"client:{quote_plus(text)}".encode()).decode(),
    "url-safe base64": lambda text: urlsafe_b64encode(text.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(max_examples=25)
@given(secret=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=12))
def test_secret_is_masked_in_every_spelling_in_which_it_may_be_sent(spelling: str, secret: str) -> None:
    written = SPELLINGS[spelling](secret)

    masked = logged([secret], "%s", f"Header {written} is odd")

    assert "***" in masked
    # Base64 mixes the first and the last character with their neighbours.
    assert len(masked.replace("***", "")) <= len(f"Header {SPELLINGS[spelling]('')} is odd") + 6


def test_truncated_secret_is_masked() -> None:
    assert logged(["abcdefghijkl"], "Pleo said abcdefgh… and ab…") == "Pleo said ***… and ab…"


@pytest.mark.parametrize("spelling", ["url, all", "json"])
def test_truncated_secret_is_masked_in_its_spelling(spelling: str) -> None:
    secret = 'k"y/of+many'
    written = SPELLINGS[spelling](secret).strip('"')[:9]
    assert logged([secret], "%s", f"Pleo said {written}…") == "Pleo said ***…"


def test_four_characters_of_a_truncated_secret_are_masked() -> None:
    assert logged(["abcdefghijkl"], "Pleo said abcd…") == "Pleo said ***…"


def test_message_is_one_line_of_limited_length() -> None:
    forged = "job\n2026-01-01 00:00:00,000 | ERROR    | x | forged\x1b[31m\r\u2028\u202e\ud800"

    line = logged([], "%s", forged + "x" * 1_000_000)

    assert line.startswith(r"job\n2026-01-01 00:00:00,000 | ERROR    | x | forged\x1b[31m\r\u2028\u202e\ud800xxx")
    assert line.isprintable()
    assert len(line) == 4000


@pytest.mark.parametrize("long", ["/" * 1_000_000, "AB12 " * 200_000, "a" * 1_000_000 + "?b", "Bearer " * 100_000])
def test_long_message_is_masked_quickly(long: str) -> None:
    began = time.process_time()

    logged(["abcdef"], "%s", long)

    assert time.process_time() - began < 2


def test_the_secrets_of_thousands_of_companies_are_masked_quickly() -> None:
    secrets = [f"{sha256(str(number).encode()).hexdigest()}/{number}" for number in range(3000)]
    filter_ = SecretsFilter()
    began = time.process_time()
    for secret in secrets:
        filter_.learn([secret])
    masked = [filter_.mask(f"key {quote(secret.upper(), safe='')} and {secret[:20]}…") for secret in secrets[:500]]

    assert time.process_time() - began < 20
    assert set(masked) == {"key *** and ***…"}


@pytest.mark.parametrize("secret", ["-/-/-/", "a-b-c-d", "\u017fecret-key", "K\u0131ng-key", "+ +x+ +"])
def test_secrets_with_few_letters_and_digits_in_a_row_are_masked(secret: str) -> None:
    filter_ = SecretsFilter()
    filter_.learn(["something-else", secret])

    assert filter_.mask(f"is {secret} or {quote(secret, safe='')} or {secret.upper()}") == "is *** or *** or ***"


def test_mismatched_arguments_are_not_printed() -> None:
    assert logged(["hush-hush"], "%d of %d", "hush-hush") == "%d of %d (its arguments do not fit: TypeError)"


@pytest.mark.parametrize("formatter", [ConsoleFormatter(), StructuredFormatter()], ids=["console", "structured"])
def test_tracebacks_causes_and_stacks_are_masked(formatter: logging.Formatter) -> None:
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


def test_metrics_keep_their_arguments() -> None:
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
