"""Rules for settings beyond their types; yield a line for each problem. No I/O; secrets are never quoted."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_pleo_export.api.jobs import JOB_STATUSES, PLAIN_UUID

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from urllib.parse import SplitResult

OAUTH_SETTINGS = ("client_id", "client_secret", "refresh_token")
CREDENTIALS = ("api_key", "access_token", *OAUTH_SETTINGS)
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
ONE_CREDENTIAL = (
    "Set exactly one of 'api_key', 'access_token', or the three of 'client_id', 'client_secret' and 'refresh_token'"
)
_DESTINATION_SCHEMES = ("file", "s3", "gs", "az")
_WITH_ENDPOINT = ("s3://", "az://")
_DESTINATIONS = (
    "name a folder, or a URL like file:///srv/receipts, s3://bucket/folder, gs://bucket/folder or az://container/folder"
)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)


def credential_problems(config: Mapping[str, Any], broken: Collection[str]) -> Iterator[str]:
    """Yield problems of the credentials.

    Args:
        config: The settings that are set.
        broken: Names of settings with a reported problem: they count as set and are not checked further.
    """
    oauth = [name for name in OAUTH_SETTINGS if name in config]
    forms = [name for name in ("api_key", "access_token") if name in config] + (["/".join(oauth)] if oauth else [])
    if not forms:
        yield f"No credentials. {ONE_CREDENTIAL}"
    elif len(forms) > 1:
        yield f"Too many credentials: {', '.join(repr(form) for form in forms)}. {ONE_CREDENTIAL}"
    elif oauth:
        for missing in (name for name in OAUTH_SETTINGS if name not in oauth):
            yield f"Setting '{missing}' is missing: it is required with {', '.join(repr(name) for name in oauth)}"
        if "refresh_token" in oauth and "token_file" not in config:
            yield (
                "Setting 'token_file' is missing: Pleo replaces 'refresh_token' at each use, and losing a new one ends "
                "the authorisation; name a file that is kept between runs"
            )
    for name in CREDENTIALS:
        value = config.get(name, "") if name not in broken else ""
        if not _visible(value):
            yield f"Setting '{name}' has blanks, line breaks or characters that no credential contains; copy it again"


def address_problems(config: Mapping[str, Any], examples: Mapping[str, str]) -> Iterator[str]:
    """Yield problems of the addresses.

    Args:
        config: The settings that are set, without those with a reported problem.
        examples: A valid address for each setting.
    """
    for name, example in examples.items():
        if name in config and (problem := _address_problem(config[name])):
            yield f"Setting '{name}' {problem.format(example=example)}"
    path = urlsplit(config["api_url"]).path if _address_problem(config.get("api_url", "")) is None else ""
    if path.startswith("/v3"):
        yield "Setting 'api_url' must end after the host: the connector adds '/v3' itself"
    elif path not in {"", "/"}:
        yield "Setting 'api_url' must end after the host: Pleo's API has no path before its version"


def text_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield problems of headers and file names; ``config`` as in :func:`address_problems`."""
    agent = config.get("user_agent", "x")
    if not (agent.isascii() and agent.isprintable() and agent == agent.strip()):
        yield "Setting 'user_agent' must be printable ASCII without blanks at its ends: it is sent as a header"
    if not config.get("token_file", "x").isprintable():
        yield "Setting 'token_file' has line breaks or other characters that do not belong in a path"


def uuid_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield problems of ids; ``config`` as in :func:`address_problems`, but lists may have invalid elements."""
    named = [("'company_id'", config["company_id"])] if "company_id" in config else []
    job_ids = config.get("job_ids")
    named += [(f"'job_ids'[{position}]", job_id) for position, job_id in enumerate(job_ids or ())]
    for name, value in named:
        if isinstance(value, str) and not PLAIN_UUID.fullmatch(value):
            yield f"Setting {name}: {value!r} is not a UUID like 8eb648ab-464b-42a0-ba17-eda703657e33"


def destination_problems(config: Mapping[str, Any], broken: Collection[str]) -> Iterator[str]:
    """Yield problems of the destination of files; arguments as in :func:`credential_problems`."""
    if "destination" not in config:
        if "destination" not in broken:
            yield f"Setting 'destination' is missing: {_DESTINATIONS}"
        return
    destination = config["destination"]
    scheme, separator, rest = destination.partition("://")
    if not separator:
        scheme, rest = "file", ""
    if not destination.isprintable() or scheme not in _DESTINATION_SCHEMES:
        yield f"Setting 'destination' is not a valid destination: {_DESTINATIONS}"
    elif separator and ("@" in rest.partition("/")[0] or "?" in rest or "#" in rest):
        yield "Setting 'destination' must not contain credentials or a query; use the cloud's usual variables"
    elif separator and scheme == "file" and not rest.startswith("/"):
        yield "Setting 'destination': file:// takes an absolute path, as in file:///srv/receipts"
    elif separator and not rest.partition("/")[0] and scheme != "file":
        yield f"Setting 'destination' names no bucket: {_DESTINATIONS}"


def endpoint_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield problems of the store's address; ``config`` as in :func:`address_problems`."""
    endpoint = config.get("endpoint")
    if endpoint is None:
        return
    if problem := _address_problem(endpoint):
        yield f"Setting 'endpoint' {problem.format(example='https://minio.example.com')}"
    if not config.get("destination", "s3://").startswith(_WITH_ENDPOINT):
        yield "Setting 'endpoint' only applies to s3:// and az://"


def host_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield problems of host names; ``config`` as in :func:`address_problems`."""
    for position, host in enumerate(config.get("allow_hosts") or ()):
        if not _is_host(host):
            yield f"Setting 'allow_hosts'[{position}]: {host!r} is not a host name or IP address (without a port)"


def list_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield problems of lists."""
    if config.get("job_statuses") == []:
        yield f"Setting 'job_statuses' is empty; name at least one of {', '.join(JOB_STATUSES)}"


def _visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _address_problem(value: str) -> str | None:
    """Return the problem of an address, with a placeholder for a valid one, or None."""
    try:
        address = urlsplit(value)
        usable = _visible(value) and _has_host(address) and address.port != 0
    except ValueError:
        usable = False
    if not usable or address.scheme not in {"http", "https"} or "?" in value or "#" in value:
        return "is not an address like {example}"
    if "@" in address.netloc:
        return "must not contain credentials; use the settings for them"
    if address.scheme == "http" and address.hostname not in LOOPBACK_HOSTS:
        return "must begin with https://: credentials would be sent unencrypted"
    return None


def _is_host(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _HOST.fullmatch(name.lower()) is not None
    return True


def _has_host(address: SplitResult) -> bool:
    host = address.hostname or ""
    if "[" in address.netloc:
        return ipaddress.IPv6Address(host).scope_id is None
    return _HOST.fullmatch(host) is not None
