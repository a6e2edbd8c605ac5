"""Postings where the oracle does not apply: disabled and broken checks, more accounts than are cached."""

from __future__ import annotations

from typing import Any

from tap_pleo_export.validation import Posting, Validator, parse_settings
from tap_pleo_export.validation.messages import MAX_CACHED
from tests.helpers.mapper import GOOD, item, record, run, schema


def posting(config: dict[str, Any], **changes: Any) -> Posting | None:
    return Validator(parse_settings(config)).judge(item(**changes)).posting


def test_no_posting_if_the_check_is_disabled() -> None:
    assert posting(GOOD | {"disabled_checks": ["required_configuration"]}) is None


def test_no_posting_if_the_check_breaks() -> None:
    verdict = Validator(parse_settings(GOOD)).judge(item(companyId=7))

    assert verdict.posting is None
    assert (verdict.status, verdict.failure_reason_type) == ("failed", "unexpected_failure")


def test_postings_differ_beyond_the_cache_size() -> None:
    count = MAX_CACHED + 2
    lines = [record(item(number, contraAccount={"code": str(number)})) for number in range(count)]
    annotated = run(b"".join([schema(), *lines]), GOOD).records()

    assert [after["posting"]["counterAccount"] for after in annotated] == [str(number) for number in range(count)]
