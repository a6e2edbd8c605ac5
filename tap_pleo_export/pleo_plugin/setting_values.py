"""Values of settings: their sources, which of them count as set, and their problems. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tap_pleo_export.pleo_plugin import setting_rules
from tap_pleo_export.pleo_plugin.setting_rules import CREDENTIALS
from tap_pleo_export.singer.schema_errors import nearest, violations
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A client id is public (RFC 6749 section 2.2); a short one may be a word in other lines.
MIN_SECRET_ID_LENGTH = 16
TRUE_TEXTS = ("true", "1", "yes", "on")


def problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return all problems of a configuration, a line each; secrets are never quoted.

    Args:
        config: Setting names and values; None and an empty string count as not set.
        schema: JSON Schema of all settings, the SDK's own included.
    """
    config = given(config)
    lines, broken, valid = _schema_problems(config, schema)
    # A list may contain valid ids next to a value that is not text.
    ids = valid | ({"job_ids": config["job_ids"]} if isinstance(config.get("job_ids"), list) else {})
    addresses = {name: schema["properties"][name]["default"] for name in ("api_url", "auth_url")}
    lines += [
        *setting_rules.credential_problems(config, broken),
        *setting_rules.address_problems(valid, addresses),
        *setting_rules.text_problems(valid),
        *setting_rules.uuid_problems(ids),
        *setting_rules.list_problems(valid),
    ]
    return list(map(one_line, lines))


def attachment_problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return all problems of the attachments mapper's settings; arguments like those of :func:`problems`."""
    lines, broken, valid = _schema_problems(given(config), schema)
    lines += [
        *setting_rules.destination_problems(valid, broken),
        *setting_rules.endpoint_problems(valid),
        *setting_rules.host_problems(valid),
        *setting_rules.text_problems(valid),
    ]
    return list(map(one_line, lines))


def _schema_problems(config: dict[str, Any], schema: Mapping[str, Any]) -> tuple[list[str], set[str], dict[str, Any]]:
    """Return a line for each violation of the schema, the names of the settings at fault, and the other settings."""
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
    problems_found = []
    for name, declared in schema["properties"].items():
        variable = f"{prefix}{name.upper()}"
        if text := environment.get(variable):
            kind, wanted = next(((k, w) for k, w in KINDS.items() if k in declared.get("type", ())), ("string", ""))
            try:
                config[name] = _typed(text, kind)
            except (ValueError, RecursionError):
                problems_found.append(f"Environment variable {variable} (setting '{name}') must be {wanted}")
    return config, problems_found


KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a JSON array",
    "object": "a JSON object",
}


def _typed(text: str, kind: str) -> Any:  # noqa: ANN401 - any JSON value
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
