"""The settings of tap, target and attachments mapper: declarations, sources and normal forms. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tap_pleo_export.singer.schema_errors import nearest
from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.text import one_line


def _declared(*parts: str) -> dict[str, Any]:
    """Return the JSON Schema of an object with the settings of some parts of the file, in their order."""
    declarations = shipped("settings.json")
    properties = {name: rule for part in parts for name, rule in declarations[part].items()}
    secret = declarations["secret"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {name: secret | rule if rule.get("secret") else rule for name, rule in properties.items()},
    }


SETTINGS = _declared("credentials", "tap", "requests", "headers")
TARGET_SETTINGS = _declared("credentials", "target", "requests", "headers")
ATTACHMENT_SETTINGS = _declared("attachments", "headers") | {"required": ["destination"]}

OAUTH_SETTINGS = ("client_id", "client_secret", "refresh_token")
CREDENTIALS = ("api_key", "access_token", *OAUTH_SETTINGS)
# A client id is public (RFC 6749 section 2.2); a short one may be a word in other lines.
MIN_SECRET_ID_LENGTH = 16
TRUE_TEXTS = ("true", "1", "yes", "on")
KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a JSON array",
    "object": "a JSON object",
}


def given(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are set, ids in lower case; None and the empty string count as not set."""
    # JSON Schema takes 100.0 for an integer, Python does not.
    config = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in config.items()
        if value is not None and value != ""
    }
    if isinstance(config.get("company_id"), str):
        config["company_id"] = config["company_id"].lower()
    job_ids = config.get("job_ids")
    if isinstance(job_ids, list) and all(isinstance(job_id, str) for job_id in job_ids):
        config["job_ids"] = list(dict.fromkeys(job_id.lower() for job_id in job_ids))
    return config


def from_environment(
    environment: Mapping[str, str], prefix: str, schema: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of the environment, and a line for each variable of the wrong type.

    Lists and objects are JSON; like in the SDK, a list may also be texts separated by commas.
    """
    config: dict[str, Any] = {}
    problems = []
    for name, declared in schema["properties"].items():
        variable = f"{prefix}{name.upper()}"
        if text := environment.get(variable):
            kind = next((kind for kind in KINDS if kind in declared.get("type", ())), "string")
            try:
                config[name] = _typed(text, kind)
            except (ValueError, RecursionError):
                problems.append(f"Environment variable {variable} (setting '{name}') must be {KINDS[kind]}")
    return config, problems


def _typed(text: str, kind: str) -> object:
    match kind:
        case "integer":
            return int(text)
        case "number":
            return float(text)
        case "boolean":
            return text.lower() in TRUE_TEXTS
        case "array" if not text.lstrip().startswith("["):
            return [part.strip() for part in text.split(",")]
        case "array" | "object":
            return json.loads(text)
    return text


def unknown_settings(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each setting that does not exist, with a similar one that does."""
    known = list(schema["properties"])
    for name in config:
        if name not in known:
            yield one_line(f"Setting '{name}' does not exist and is ignored{nearest(name, known)}")


def secret_values(config: Mapping[str, Any]) -> list[str]:
    """Return the configured secrets, for keeping them out of the logs."""
    values = {name: config[name] for name in CREDENTIALS if isinstance(config.get(name), str) and config[name]}
    if len(values.get("client_id", "")) < MIN_SECRET_ID_LENGTH:
        values.pop("client_id", None)
    return list(values.values())
