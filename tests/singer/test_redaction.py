"""No secret in a log line."""

from __future__ import annotations

import logging
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.singer.redaction import SecretsFilter

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
