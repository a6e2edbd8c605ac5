"""The tap's settings: their declaration, and what must hold between them. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from jsonschema import Draft7Validator
from singer_sdk import typing as th

from tap_pleo_export.reading.jobs import JOB_STATUSES, READABLE_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

ITEM_STATUSES = ("pending", "in_progress", "successful", "failed", "abandoned")
OAUTH_SETTINGS = ("client_id", "client_secret", "refresh_token")
CREDENTIALS = ("api_key", "access_token", *OAUTH_SETTINGS)
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
ONE_CREDENTIAL = (
    "Set exactly one of 'api_key', 'access_token', or the three of 'client_id', 'client_secret' and 'refresh_token'"
)


def _statuses(allowed: tuple[str, ...]) -> th.ArrayType[th.StringType]:
    return th.ArrayType(th.StringType(allowed_values=list(allowed)))


SETTINGS = th.PropertiesList(
    th.Property(
        "api_url",
        th.StringType,
        default="https://external.pleo.io",
        title="API address",
        description="Address of Pleo's API; partners' staging is https://external.staging.pleo.io.",
    ),
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="Standalone or integrated API key. One of three credential forms; exactly one is required.",
    ),
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="OAuth access token",
        description="OAuth access token that something else keeps fresh. The second credential form.",
    ),
    th.Property(
        "client_id",
        th.StringType,
        secret=True,
        title="OAuth client id",
        description="OAuth client. With client_secret and refresh_token the third credential form.",
    ),
    th.Property(
        "client_secret",
        th.StringType,
        secret=True,
        title="OAuth client secret",
        description="Secret of the OAuth client.",
    ),
    th.Property(
        "refresh_token",
        th.StringType,
        secret=True,
        title="OAuth refresh token",
        description="OAuth refresh token. It rotates with each use: set token_file as well.",
    ),
    th.Property(
        "auth_url",
        th.StringType,
        default="https://auth.pleo.io/oauth/token",
        title="OAuth token endpoint",
        description="Address at which refresh tokens are exchanged.",
    ),
    th.Property(
        "token_file",
        th.StringType,
        title="OAuth token file",
        description=(
            "File that keeps rotated OAuth tokens between runs (mode 0600). It wins over refresh_token while it "
            "descends from it; a changed refresh_token wins over the file."
        ),
    ),
    th.Property(
        "company_id",
        th.StringType,
        title="Company",
        description="UUID of the only company whose export jobs are discovered.",
    ),
    th.Property(
        "job_ids",
        th.ArrayType(th.StringType),
        title="Export jobs",
        description="UUIDs of the export jobs to read, instead of discovering them.",
    ),
    th.Property(
        "job_statuses",
        _statuses(JOB_STATUSES),
        default=list(READABLE_STATUSES),
        title="Job statuses",
        description=(
            "Statuses of the jobs to discover. Export items can be read of pending and in_progress jobs only; others "
            "feed export_jobs and export_job_items."
        ),
    ),
    th.Property(
        "item_statuses",
        _statuses(ITEM_STATUSES),
        default=list(READABLE_STATUSES),
        title="Item statuses",
        description="Items whose job item has another status are left out of export_items; an empty list keeps all.",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=1000),
        default=100,
        title="Page size",
        description="Export items per page.",
    ),
    th.Property(
        "max_concurrent_requests",
        th.IntegerType(minimum=1, maximum=16),
        default=4,
        title="Concurrent requests",
        description="Page requests of one job in flight; 1 reads strictly page after page.",
    ),
    th.Property(
        "max_requests_per_minute",
        th.IntegerType(minimum=1, maximum=1_000_000),
        default=500,
        title="Requests per minute",
        description="Never more requests than this in any 60 seconds; bursts are allowed within it.",
    ),
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=60,
        title="Request timeout",
        description="Seconds to wait for a connection, and for each part of an answer.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0, maximum=100),
        default=8,
        title="Retries",
        description="Attempts beyond the first for a request that fails in a way that may pass.",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="User-Agent header; default tap-pleo-export/<version>.",
    ),
).to_dict()


def problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a configuration, a line each; secrets are never quoted.

    Args:
        config: Setting names and values; an empty string counts as not set.
        schema: JSON Schema of all settings, the SDK's own included.
    """
    config = given(config)
    found = [_broken_rule(error, schema) for error in Draft7Validator(schema).iter_errors(config)]
    if found:
        return found
    return [*_credential_problems(config), *_address_problems(config), *_uuid_problems(config), *_empty_lists(config)]


def given(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are set: None and the empty string are not."""
    return {name: value for name, value in config.items() if value is not None and value != ""}


def environment_problems(environment: Mapping[str, str], prefix: str, schema: Mapping[str, Any]) -> list[str]:
    """Return a line for each environment variable whose setting wants a whole number and has none."""
    return [
        f"Environment variable {prefix}{name.upper()} (setting '{name}') must be a whole number"
        for name, declared in schema["properties"].items()
        if "integer" in declared.get("type", ()) and not _whole(environment.get(f"{prefix}{name.upper()}", "0"))
    ]


def unknown_settings(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each setting that does not exist, with the nearest one that does."""
    known = list(schema["properties"])
    for name in config:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            yield f"Setting '{name}' does not exist and is ignored" + (f"; did you mean '{near[0]}'?" if near else "")


def secret_values(config: Mapping[str, Any]) -> list[str]:
    """Return the configured secrets, for keeping them out of the logs."""
    return [config[name] for name in CREDENTIALS if isinstance(config.get(name), str) and config[name]]


def _whole(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _broken_rule(error: ValidationError, schema: Mapping[str, Any]) -> str:
    name = str(error.absolute_path[0]) if error.absolute_path else ""
    declared = schema["properties"].get(name, {})
    place = "".join(f"[{part!r}]" for part in list(error.absolute_path)[1:])
    # The library's message quotes the refused value: only for settings that are no secrets.
    message = f"must be of type {_types(error)}" if error.validator == "type" else error.message
    if declared.get("secret") and error.validator != "type":
        message = f"breaks the rule '{error.validator}'"
    return f"Setting '{name}'{place}: {message}"


def _types(error: ValidationError) -> str:
    types: Any = error.validator_value
    return " or ".join(t for t in ([types] if isinstance(types, str) else types) if t != "null")


def _credential_problems(config: Mapping[str, Any]) -> Iterator[str]:
    forms = [name for name in ("api_key", "access_token") if config.get(name)]
    oauth = [name for name in OAUTH_SETTINGS if config.get(name)]
    if oauth:
        forms.append("/".join(oauth))
    if not forms:
        yield f"No credentials. {ONE_CREDENTIAL}"
    elif len(forms) > 1:
        yield f"Too many credentials: {', '.join(repr(form) for form in forms)}. {ONE_CREDENTIAL}"
    elif oauth:
        for missing in (name for name in OAUTH_SETTINGS if name not in oauth):
            yield f"Setting '{missing}' is missing: {', '.join(repr(name) for name in oauth)} cannot do without it"
    for name in CREDENTIALS:
        value = config.get(name, "")
        if not (value.isascii() and value.isprintable()) or " " in value:
            yield f"Setting '{name}' has blanks, line breaks or characters that no credential has; copy it again"


def _address_problems(config: Mapping[str, Any]) -> Iterator[str]:
    for name in ("api_url", "auth_url"):
        value = config.get(name, "https://default.invalid")
        try:
            address = urlsplit(value)
            usable = bool(address.hostname) and address.port != 0
        except ValueError:
            usable = False
        if not usable or address.scheme not in {"http", "https"} or address.query or address.fragment:
            yield f"Setting '{name}' is not an address like {SETTINGS['properties'][name]['default']}"
        elif address.username or address.password:
            yield f"Setting '{name}' must not carry credentials; use the settings made for them"
        elif address.scheme == "http" and address.hostname not in LOOPBACK_HOSTS:
            yield f"Setting '{name}' must begin with https://: credentials would travel in the clear"


def _uuid_problems(config: Mapping[str, Any]) -> Iterator[str]:
    named = [("'company_id'", config["company_id"])] if "company_id" in config else []
    named += [(f"'job_ids'[{position}]", job_id) for position, job_id in enumerate(config.get("job_ids") or ())]
    for name, value in named:
        try:
            UUID(value)
        except ValueError:
            yield f"Setting {name}: {value!r} is not a UUID like 8eb648ab-464b-42a0-ba17-eda703657e33"


def _empty_lists(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("job_statuses") == []:
        yield f"Setting 'job_statuses' is empty; name at least one of {', '.join(JOB_STATUSES)}"
