"""Violations of a JSON Schema in one line each: path, mistake, allowed values and the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import jsonschema_rs

_TYPE_NAMES = {
    "string": "text",
    "array": "a list",
    "object": "a map",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}


class Violation(NamedTuple):
    """Something in a document that its schema does not allow.

    Attributes:
        path: The member at fault, even if it is missing or unknown.
        text: The mistake, to be read after the path; never quotes a value that the schema marks `secret`.
        keyword: The violated JSON Schema keyword, such as `required`.
        schema_path: Path of that keyword in the schema.
    """

    path: tuple[str | int, ...]
    text: str
    keyword: str
    schema_path: tuple[str | int, ...]

    def __str__(self) -> str:
        """Return the line: JSON Pointer and text."""
        return f"{pointer(self.path) or '/'}: {self.text}"


def violations(schema: dict[str, Any], document: object) -> list[Violation]:
    """Return all violations of a JSON Schema (2020-12), sorted by path.

    Args:
        schema: May use three extra annotations: `x-name` is the kind of name in the text about an unknown one
            (`setting` or `value` by default), `x-error` is the text for any wrong value, with `{value}` for it,
            and values below `secret` are not quoted.
        document: Anything that JSON decodes to.
    """
    validator = jsonschema_rs.Draft202012Validator(schema)
    try:
        errors = list(validator.iter_errors(document))
    except ValueError as error:
        lone_surrogate = "contains a lone surrogate (such as \\ud800), which is not valid text"
        text = lone_surrogate if isinstance(error, UnicodeError) else "is nested too deeply"
        return [Violation((), text, "type", ())]
    found = dict.fromkeys(violation for error in errors for violation in _violations(error, schema))
    return sorted(
        found, key=lambda violation: [str(part).zfill(6) if isinstance(part, int) else part for part in violation.path]
    )


def pointer(path: Iterable[object]) -> str:
    """Return the JSON Pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def nearest(name: object, known: Iterable[str]) -> str:
    """Return a hint such as `, did you mean 'wallet'?`, or an empty string if no known name is similar."""
    names = {known_name.lower(): known_name for known_name in known}
    near = get_close_matches(str(name).lower(), names, 1)
    return f", did you mean {names[near[0]]!r}?" if near else ""


def unknown(what: str, name: object, known: Sequence[str]) -> str:
    """Return the text for a name that is not one of the known ones."""
    return f"unknown {what} {name!r}{nearest(name, known)} (allowed: {', '.join(known)})"


def _violations(error: jsonschema_rs.ValidationError, schema: dict[str, Any]) -> Iterator[Violation]:
    """Yield one violation for each member at fault."""
    path, schema_path, keyword = tuple(error.instance_path), tuple(error.schema_path), error.kind.name
    around = list(_schemas_on_path(schema, schema_path)) or [{}]
    value: Any = error.kind.value
    match keyword:
        case "required":
            faults = [((*path, value), "is missing")]
        case "additionalProperties":
            known = list(around[-1].get("properties", ()))
            what = around[-1].get("x-name", "setting")
            faults = [((*path, name), unknown(what, name, known)) for name in value]
        case "propertyNames":
            faults = [((*path, value.instance), _text(value, around))]
        case _:
            faults = [(path, _text(error, around))]
    for place, text in faults:
        yield Violation(place, text, keyword, schema_path)


def _schemas_on_path(schema: Any, path: Sequence[str | int]) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - a JSON Schema
    """Yield the objects on the way to a keyword; its own schema is the last."""
    for step in path:
        if isinstance(schema, dict):
            yield schema
            schema = schema.get(str(step))
        else:
            schema = schema[step] if isinstance(schema, list) and isinstance(step, int) else None


def _text(error: jsonschema_rs.ValidationError, around: list[dict[str, Any]]) -> str:
    """Describe the violation of a single value."""
    schema, keyword, expected = around[-1], error.kind.name, error.kind.value
    secret = any(part.get("secret") for part in around)
    if "x-error" in schema:
        return str(schema["x-error"]).replace("{value}", repr(error.instance))
    if keyword == "type":
        return _wrong_type(error.instance, expected, secret=secret)
    if keyword in {"minLength", "minItems"} and expected == 1:
        return "must not be empty"
    if secret:
        return f"breaks the rule '{keyword}'"
    if keyword == "enum":
        known = [str(name).lower() if isinstance(name, bool) else str(name) for name in expected if name is not None]
        return unknown(schema.get("x-name", "value"), error.instance, known)
    return error.message


def _wrong_type(found: object, expected: list[str], *, secret: bool) -> str:
    if "string" in expected and isinstance(found, int | float) and not secret:
        shown = str(found).lower() if isinstance(found, bool) else str(found)
        return f'{shown} is not text: write it in quotes ("{shown}"), YAML would lose leading zeros'
    return f"expected {' or '.join(_TYPE_NAMES[name] for name in expected if name != 'null') or 'null'}"
