"""What is wrong with a configuration is said a line each, and no line quotes a secret."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.settings import CREDENTIALS, SETTINGS, problems, unknown_settings
from tap_pleo_export.settings import given as given_settings

GOOD = {"api_key": "k" * 20}
OAUTH = {"client_id": "i" * 20, "client_secret": "s" * 20, "refresh_token": "r" * 20}
SECRET = "hush-hush-hush"


@pytest.mark.parametrize(
    "config",
    [
        GOOD,
        OAUTH,
        {"access_token": "t"},
        GOOD | {"access_token": "", "client_id": None},
        GOOD | {"api_url": "http://127.0.0.1:8080", "auth_url": "http://[::1]:1/x"},
        GOOD | {"item_statuses": [], "job_ids": []},
        GOOD | {"company_id": "8EB648AB-464B-42A0-BA17-EDA703657E33"},
    ],
)
def test_nothing_is_wrong_with(config: dict[str, Any]) -> None:
    assert problems(config, SETTINGS) == []


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, ["No credentials."]),
        (GOOD | {"access_token": "t"}, ["Too many credentials: 'api_key', 'access_token'."]),
        (GOOD | OAUTH, ["Too many credentials: 'api_key', 'client_id/client_secret/refresh_token'."]),
        ({"client_id": "i"}, ["Setting 'client_secret' is missing", "Setting 'refresh_token' is missing"]),
        ({"api_key": "with blank"}, ["Setting 'api_key' has blanks"]),
        ({"api_key": "k\n"}, ["Setting 'api_key' has blanks, line breaks"]),
        ({"api_key": "schlüssel"}, ["Setting 'api_key' has blanks, line breaks or characters"]),
        (GOOD | {"api_url": "external.pleo.io"}, ["Setting 'api_url' is not an address like https://external.pleo.io"]),
        (GOOD | {"api_url": "http://external.pleo.io"}, ["Setting 'api_url' must begin with https://"]),
        (GOOD | {"api_url": "https://u:p@x.io"}, ["Setting 'api_url' must not carry credentials"]),
        (GOOD | {"api_url": "https://[x"}, ["Setting 'api_url' is not an address"]),
        (GOOD | {"auth_url": "https://x.io/?a=1"}, ["Setting 'auth_url' is not an address"]),
        (GOOD | {"company_id": "acme"}, ["Setting 'company_id': 'acme' is not a UUID"]),
        (GOOD | {"job_ids": [GOOD["api_key"]]}, ["Setting 'job_ids'[0]"]),
        (GOOD | {"job_statuses": []}, ["Setting 'job_statuses' is empty"]),
        (GOOD | {"job_statuses": ["open"]}, ["Setting 'job_statuses'[0]: 'open' is not one of"]),
        (GOOD | {"page_size": 0, "max_retries": -1}, ["Setting 'page_size'", "Setting 'max_retries'"]),
        (GOOD | {"page_size": 1001}, ["Setting 'page_size': 1001 is greater than the maximum of 1000"]),
        (GOOD | {"page_size": "many"}, ["Setting 'page_size': must be of type integer"]),
        (GOOD | {"max_concurrent_requests": 17}, ["Setting 'max_concurrent_requests'"]),
        ({"api_key": 123}, ["Setting 'api_key': must be of type string"]),
    ],
)
def test_each_problem_is_named(config: dict[str, Any], named: list[str]) -> None:
    lines = problems(config, SETTINGS)

    assert len(lines) == len(named)
    assert all(any(line.startswith(start) for line in lines) for start in named)


VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2) | st.just(SECRET)


@given(
    st.dictionaries(st.sampled_from(sorted(SETTINGS["properties"])), VALUES),
    st.sets(st.sampled_from(CREDENTIALS)),
    st.text(max_size=3),
)
def test_no_line_quotes_a_secret_and_each_is_one_line(config: dict[str, Any], secret: set[str], odd: str) -> None:
    # Whatever else is wrong, the credentials hold a secret, sometimes one that is wrong as well.
    config = {name: value for name, value in config.items() if value != SECRET} | dict.fromkeys(secret, SECRET + odd)

    lines = [*problems(config, SETTINGS), *unknown_settings(config, SETTINGS)]

    assert not any(SECRET in line for line in lines)
    assert all(line.isprintable() for line in lines)


def test_null_and_the_empty_string_count_as_not_set() -> None:
    assert given_settings({"a": None, "b": "", "c": 0, "d": False, "e": []}) == {"c": 0, "d": False, "e": []}


def test_a_misspelt_setting_is_named_with_the_nearest_one() -> None:
    (line,) = unknown_settings({"pagesize": 5}, SETTINGS)

    assert line == "Setting 'pagesize' does not exist and is ignored; did you mean 'page_size'?"
