"""The values of settings: where they come from, which count as set, and all that is wrong with them. Pure."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator

from tap_pleo_export.pleo_plugin import setting_rules
from tap_pleo_export.pleo_plugin.setting_rules import CREDENTIALS
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

# A client id is public (RFC 6749 section 2.2); a short one may well be a word of other lines.
SHORTEST_SECRET_ID = 16
TRUE_TEXTS = ("true", "1", "yes", "on")


def problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return all that is wrong with a configuration, a line each; secrets are never quoted.

    Args:
        config: Setting names and values; None and an empty string count as not set.
        schema: JSON Schema of all settings, the SDK's own included.
    """
    config = given(config)
    errors = list(Draft7Validator(schema).iter_errors(config))
    broken = {str(error.absolute_path[0]) for error in errors if error.absolute_path}
    sound = {name: value for name, value in config.items() if name not in broken}
    # A list may hold other ids beside one that is no text.
    ids = sound | ({"job_ids": config["job_ids"]} if isinstance(config.get("job_ids"), list) else {})
    addresses = {name: schema["properties"][name]["default"] for name in ("api_url", "auth_url")}
    lines = [
        *(_broken_rule(error, schema) for error in errors),
        *setting_rules.credential_problems(config, broken),
        *setting_rules.address_problems(sound, addresses),
        *setting_rules.text_problems(sound),
        *setting_rules.uuid_problems(ids),
        *setting_rules.list_problems(sound),
    ]
    return [one_line(line) for line in lines]


def attachment_problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return all that is wrong with the settings of the mapper of attachments; arguments as of :func:`problems`."""
    config = given(config)
    errors = list(Draft7Validator(schema).iter_errors(config))
    broken = {str(error.absolute_path[0]) for error in errors if error.absolute_path}
    sound = {name: value for name, value in config.items() if name not in broken}
    lines = [
        *(_broken_rule(error, schema) for error in errors if error.validator != "required"),
        *setting_rules.destination_problems(sound, broken),
        *setting_rules.endpoint_problems(sound),
        *setting_rules.host_problems(sound),
        *setting_rules.text_problems(sound),
    ]
    return [one_line(line) for line in lines]


def given(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are set, ids in lower case: None and the empty string are not set."""
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
    """Return the settings of the environment, and a line for each variable that is none of its setting's type.

    Lists and objects are JSON; a list may also be texts with commas between them, as the SDK has it.
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
    """Yield a line for each setting that does not exist, with the nearest one that does."""
    known = list(schema["properties"])
    for name in config:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            yield one_line(f"Setting '{name}' does not exist and is ignored{hint}")


def secret_values(config: Mapping[str, Any]) -> list[str]:
    """Return the configured secrets, for keeping them out of the logs."""
    values = {name: config[name] for name in CREDENTIALS if isinstance(config.get(name), str) and config[name]}
    if len(values.get("client_id", "")) < SHORTEST_SECRET_ID:
        values.pop("client_id", None)
    return list(values.values())


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
