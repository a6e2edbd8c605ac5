"""Problems of settings, a line for each: violations of their JSON Schema, and rules that a schema cannot express.

No I/O. Secrets are never quoted. The rules take settings without those that violate the schema; `broken` has the names
of the latter.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from tap_pleo_export.pleo_plugin.settings import OAUTH_SETTINGS, given
from tap_pleo_export.singer.schema_errors import violations
from tap_pleo_export.text import one_line

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


def problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return all problems of the settings of the tap or the target.

    Args:
        config: Setting names and values; None and an empty string count as not set.
        schema: JSON Schema of all settings, the SDK's own included.
    """
    lines, broken, valid = _schema_problems(given(config), schema)
    addresses = {name: schema["properties"][name]["default"] for name in ("api_url", "auth_url")}
    lines += [*_credential_problems(valid, broken), *_address_problems(valid, addresses)]
    if not valid.get("token_file", "").isprintable():
        lines.append("Setting 'token_file' has line breaks or other characters that do not belong in a path")
    return list(map(one_line, lines))


def attachment_problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return all problems of the attachments mapper's settings; arguments like those of :func:`problems`."""
    lines, broken, valid = _schema_problems(given(config), schema)
    lines += [*_destination_problems(valid, broken), *_endpoint_problems(valid), *_host_problems(valid)]
    return list(map(one_line, lines))


def _schema_problems(config: dict[str, Any], schema: Mapping[str, Any]) -> tuple[list[str], set[str], dict[str, Any]]:
    # The SDK's schema of stream maps is invalid; the SDK checks them itself.
    declared = {name: rule for name, rule in schema["properties"].items() if name != "stream_maps"}
    found = violations({"type": "object", "properties": declared}, config)
    broken = {str(violation.path[0]) for violation in found if violation.path}
    valid = {name: value for name, value in config.items() if name not in broken}
    lines = []
    for violation in found:
        name, *place = violation.path or ("",)
        lines.append(f"Setting '{name}'{''.join(f'[{part!r}]' for part in place)}: {violation.text}")
    return lines, broken, valid


def _credential_problems(config: Mapping[str, Any], broken: Collection[str]) -> Iterator[str]:
    # A credential that violates the schema counts as set.
    named = {*config, *broken}
    oauth = [name for name in OAUTH_SETTINGS if name in named]
    forms = [name for name in ("api_key", "access_token") if name in named] + (["/".join(oauth)] if oauth else [])
    if not forms:
        yield f"No credentials. {ONE_CREDENTIAL}"
    elif len(forms) > 1:
        yield f"Too many credentials: {', '.join(map(repr, forms))}. {ONE_CREDENTIAL}"
    elif oauth:
        for missing in (name for name in OAUTH_SETTINGS if name not in oauth):
            yield f"Setting '{missing}' is missing: it is required with {', '.join(map(repr, oauth))}"
        if "refresh_token" in oauth and "token_file" not in named:
            yield (
                "Setting 'token_file' is missing: Pleo replaces 'refresh_token' at each use, and losing a new one ends "
                "the authorisation; name a file that is kept between runs"
            )


def _address_problems(config: Mapping[str, Any], examples: Mapping[str, str]) -> Iterator[str]:
    for name, example in examples.items():
        if name in config and (problem := _address_problem(config[name])):
            yield f"Setting '{name}' {problem.format(example=example)}"
    path = urlsplit(config["api_url"]).path if _address_problem(config.get("api_url", "")) is None else ""
    if path.startswith("/v3"):
        yield "Setting 'api_url' must end after the host: the connector adds '/v3' itself"
    elif path not in {"", "/"}:
        yield "Setting 'api_url' must end after the host: Pleo's API has no path before its version"


def _address_problem(value: str) -> str | None:
    """Return the problem of an address, with a placeholder for a valid one, or None."""
    try:
        address = urlsplit(value)
        host = address.hostname or ""
        literal = ipaddress.IPv6Address(host) if "[" in address.netloc else None
        valid = literal.scope_id is None if literal else _HOST.fullmatch(host)
        usable = valid and re.fullmatch("[!-~]+", value) and address.port != 0
    except ValueError:
        usable = False
    if not usable or address.scheme not in {"http", "https"} or "?" in value or "#" in value:
        return "is not an address like {example}"
    if "@" in address.netloc:
        return "must not contain credentials; use the settings for them"
    if address.scheme == "http" and address.hostname not in LOOPBACK_HOSTS:
        return "must begin with https://: credentials would be sent unencrypted"
    return None


def _destination_problems(config: Mapping[str, Any], broken: Collection[str]) -> Iterator[str]:
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


def _endpoint_problems(config: Mapping[str, Any]) -> Iterator[str]:
    endpoint = config.get("endpoint")
    if endpoint is None:
        return
    if problem := _address_problem(endpoint):
        yield f"Setting 'endpoint' {problem.format(example='https://minio.example.com')}"
    if not config.get("destination", "s3://").startswith(_WITH_ENDPOINT):
        yield "Setting 'endpoint' only applies to s3:// and az://"


def _host_problems(config: Mapping[str, Any]) -> Iterator[str]:
    for position, host in enumerate(config.get("allow_hosts", ())):
        if not _is_host(host):
            yield f"Setting 'allow_hosts'[{position}]: {host!r} is not a host name or IP address (without a port)"


def _is_host(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _HOST.fullmatch(name.lower()) is not None
    return True
