"""Every problem of the settings is one line, and no line quotes a secret."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.api.jobs import ITEM_STATUSES, JOB_STATUSES, READABLE_STATUSES
from tap_pleo_export.pleo_plugin.setting_rules import problems
from tap_pleo_export.pleo_plugin.settings import (
    CREDENTIALS,
    SETTINGS,
    from_environment,
    secret_values,
    unknown_settings,
)
from tap_pleo_export.pleo_plugin.settings import given as given_settings
from tap_pleo_export.tap.plugin import TapPleoExport

GOOD = {"api_key": "k" * 20}
OAUTH = {"client_id": "i" * 20, "client_secret": "s" * 20, "refresh_token": "r" * 20, "token_file": "tokens.json"}
ID = "8eb648ab-464b-42a0-ba17-eda703657e33"
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
        GOOD | {"company_id": ID.upper(), "job_ids": [ID, ID.upper()]},
        GOOD | {"api_url": "https://external.staging.pleo.io/", "auth_url": "https://auth.pleo.io/oauth/token"},
        GOOD | {"api_url": "http://localhost:1", "auth_url": "https://a-1.example.:443/x"},
        GOOD | {"page_size": 100.0, "user_agent": "acme bot/2 (+https://acme.example)"},
        GOOD | dict.fromkeys(set(SETTINGS["properties"]) - {"api_key"}),
        GOOD | dict.fromkeys(set(SETTINGS["properties"]) - {"api_key"}, ""),
    ],
)
def test_valid_settings(config: dict[str, Any]) -> None:
    assert problems(config, SETTINGS) == []


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, ["No credentials."]),
        (GOOD | {"access_token": "t"}, ["Too many credentials: 'api_key', 'access_token'."]),
        (GOOD | OAUTH, ["Too many credentials: 'api_key', 'client_id/client_secret/refresh_token'."]),
        ({"client_id": "i"}, ["Setting 'client_secret' is missing", "Setting 'refresh_token' is missing"]),
        ({"api_key": "with blank"}, ["Setting 'api_key': must be text without blanks"]),
        ({"api_key": "k\n"}, ["Setting 'api_key': must be text without blanks"]),
        ({"api_key": "schlüssel"}, ["Setting 'api_key': must be text without blanks"]),
        (GOOD | {"api_url": "external.pleo.io"}, ["Setting 'api_url' is not an address like https://external.pleo.io"]),
        (GOOD | {"api_url": "http://external.pleo.io"}, ["Setting 'api_url' must begin with https://"]),
        (GOOD | {"api_url": "https://u:p@x.io"}, ["Setting 'api_url' must not contain credentials"]),
        (GOOD | {"auth_url": "https://x.io/?a=1"}, ["Setting 'auth_url' is not an address"]),
        (GOOD | {"company_id": "acme"}, ["Setting 'company_id': 'acme' is not a UUID"]),
        (GOOD | {"job_ids": [GOOD["api_key"]]}, ["Setting 'job_ids'[0]"]),
        (GOOD | {"job_statuses": []}, ["Setting 'job_statuses': must be a list of one or more"]),
        (GOOD | {"job_statuses": ["open"]}, ["Setting 'job_statuses'[0]: unknown value 'open'"]),
        (GOOD | {"page_size": 0, "max_retries": -1}, ["Setting 'page_size'", "Setting 'max_retries'"]),
        (GOOD | {"page_size": 1001}, ["Setting 'page_size': 1001 is greater than the maximum of 1000"]),
        (GOOD | {"page_size": "many"}, ["Setting 'page_size': expected a whole number"]),
        (GOOD | {"max_concurrent_requests": 17}, ["Setting 'max_concurrent_requests'"]),
        ({"api_key": 123}, ["Setting 'api_key': must be text"]),
        (OAUTH | {"token_file": ""}, ["Setting 'token_file' is missing: Pleo replaces 'refresh_token' at each use"]),
        (OAUTH | {"token_file": "a\0b"}, ["Setting 'token_file' has line breaks"]),
        (GOOD | {"api_url": "http://localhost.evil.example"}, ["Setting 'api_url' must begin with https://"]),
        (GOOD | {"api_url": "http://127.0.0.1.evil.example"}, ["Setting 'api_url' must begin with https://"]),
        (GOOD | {"api_url": "http://127.0.0.2"}, ["Setting 'api_url' must begin with https://"]),
        (GOOD | {"auth_url": "http://localhost@evil.example"}, ["Setting 'auth_url' must not contain credentials"]),
        (GOOD | {"api_url": "https://@pleo.io"}, ["Setting 'api_url' must not contain credentials"]),
        (GOOD | {"api_url": "https://pleo.io/v3"}, ["Setting 'api_url' must end after the host: the connector adds"]),
        (GOOD | {"api_url": "https://pleo.io/v3/"}, ["Setting 'api_url' must end after the host: the connector adds"]),
        (GOOD | {"api_url": "https://pleo.io/proxy"}, ["Setting 'api_url' must end after the host: Pleo's API has no"]),
        (GOOD | {"user_agent": "a\r\nX-Evil: 1"}, ["Setting 'user_agent': must be printable ASCII"]),
        (GOOD | {"user_agent": " "}, ["Setting 'user_agent': must be printable ASCII"]),
        (GOOD | {"user_agent": "€"}, ["Setting 'user_agent': must be printable ASCII"]),
        (GOOD | {"job_ids": [None, "x", ID]}, ["Setting 'job_ids'[0]: None is not", "Setting 'job_ids'[1]: 'x' is"]),
        (
            GOOD | {"page_size": 0, "api_url": "x", "company_id": "acme", "job_statuses": [], "access_token": 7},
            [
                "Setting 'page_size': 0 is less",
                "Setting 'api_url' is not",
                "Setting 'company_id': 'acme'",
                "Setting 'job_statuses': must be a list of one or more",
                "Setting 'access_token': must be text",
                "Too many credentials",
            ],
        ),
    ],
)
def test_every_problem_is_reported(config: dict[str, Any], named: list[str]) -> None:
    lines = problems(config, SETTINGS)

    assert len(lines) == len(named)
    assert all(any(line.startswith(start) for line in lines) for start in named)


@pytest.mark.parametrize(
    "url",
    [
        "https://[x", "https://pleo.io?", "https://pleo.io#x", "https://*.pleo.io", "https://.invalid",
        "https://pleo.io\n", "https://pl eo.io", "https://pleo.io:99999", "https://[abc]", "ftp://pleo.io",
        "https://" + "a." * 200 + "io",
    ],
)  # fmt: skip
def test_invalid_address_is_reported(url: str) -> None:
    (line,) = problems(GOOD | {"api_url": url}, SETTINGS)

    assert line == "Setting 'api_url' is not an address like https://external.pleo.io"


@pytest.mark.parametrize(
    "odd",
    [
        f"urn:uuid:{ID}", f"{{{ID}}}", f" {ID}", f"{ID}\n", ID.replace("-", ""), f"+{ID[1:]}", f"0x{ID[2:]}",
        f"{ID[:3]}_{ID[4:]}", ID.replace("4", "٤"), f"../{ID[3:]}",
    ],
)  # fmt: skip
def test_only_plain_uuids_are_valid(odd: str) -> None:
    lines = problems(GOOD | {"company_id": odd, "job_ids": [ID, odd]}, SETTINGS)

    assert [line.partition(":")[0] for line in lines] == ["Setting 'company_id'", "Setting 'job_ids'[1]"]


def test_declared_statuses_match_the_code() -> None:
    jobs, items = (SETTINGS["properties"][name] for name in ("job_statuses", "item_statuses"))

    assert (jobs["items"]["enum"], items["items"]["enum"]) == (list(JOB_STATUSES), list(ITEM_STATUSES))
    assert jobs["default"] == items["default"] == list(READABLE_STATUSES)


def test_ids_are_lower_case_and_unique() -> None:
    other = f"1{ID[1:]}"
    assert given_settings({"company_id": ID.upper(), "job_ids": [ID.upper(), other, ID]}) == {
        "company_id": ID,
        "job_ids": [ID, other],
    }
    assert given_settings({"company_id": 5, "job_ids": [None, []]}) == {"company_id": 5, "job_ids": [None, []]}


def test_long_value_is_shortened_to_one_line() -> None:
    (line,) = problems(GOOD | {"job_statuses": ["x\n\x1b[31m" * 1000]}, SETTINGS)

    assert len(line) <= 300
    assert line.isprintable()


def test_short_client_id_is_not_secret() -> None:
    assert secret_values(OAUTH | {"client_id": "client"}) == ["s" * 20, "r" * 20]
    assert secret_values(OAUTH) == ["i" * 20, "s" * 20, "r" * 20]


@pytest.mark.parametrize("unset", [None, ""])
def test_unset_settings_get_defaults(unset: str | None) -> None:
    schema = TapPleoExport.config_jsonschema
    TapPleoExport.append_builtin_config(schema)
    defaults = {name: d["default"] for name, d in schema["properties"].items() if d.get("default") is not None}

    tap = TapPleoExport(config=dict.fromkeys(schema["properties"], unset) | GOOD)

    assert dict(tap.config) == defaults | GOOD


KINDS = {"count": "integer", "share": "number", "on": "boolean", "names": "array", "maps": "object", "text": "string"}
SCHEMA = {"properties": {name: {"type": [kind, "null"]} for name, kind in KINDS.items()}}


def test_environment_is_read_by_type() -> None:
    environment = {"P_COUNT": "7", "P_SHARE": "0.5", "P_ON": "TRUE", "P_NAMES": '["a"]', "P_MAPS": "{}", "P_TEXT": "{"}

    assert from_environment(environment, "P_", SCHEMA) == (
        {"count": 7, "share": 0.5, "on": True, "names": ["a"], "maps": {}, "text": "{"},
        [],
    )
    assert from_environment({"P_NAMES": "a, b"}, "P_", SCHEMA) == ({"names": ["a", "b"]}, [])
    assert from_environment(dict.fromkeys(environment, ""), "P_", SCHEMA) == ({}, [])


def test_unreadable_variables_are_reported() -> None:
    environment = {"P_COUNT": "many", "P_SHARE": "x", "P_NAMES": "[", "P_MAPS": "[" * 100_000, "P_TEXT": "x"}

    config, lines = from_environment(environment, "P_", SCHEMA)

    assert config == {"text": "x"}
    assert lines == [
        "Environment variable P_COUNT (setting 'count') must be a whole number",
        "Environment variable P_SHARE (setting 'share') must be a number",
        "Environment variable P_NAMES (setting 'names') must be a JSON array",
        "Environment variable P_MAPS (setting 'maps') must be a JSON object",
    ]


VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2) | st.just(SECRET)


@given(
    st.dictionaries(st.sampled_from(sorted(SETTINGS["properties"])), VALUES),
    st.sets(st.sampled_from(CREDENTIALS)),
    st.text(max_size=3),
)
def test_problems_are_one_line_without_secrets(config: dict[str, Any], secret: set[str], odd: str) -> None:
    # In addition to other mistakes, credentials contain a secret, sometimes an invalid one.
    config = {name: value for name, value in config.items() if value != SECRET} | dict.fromkeys(secret, SECRET + odd)

    lines = [*problems(config, SETTINGS), *unknown_settings(config, SETTINGS)]

    assert not any(SECRET in line for line in lines)
    assert all(line.isprintable() for line in lines)
