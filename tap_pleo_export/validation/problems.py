"""Mistakes in the settings, each as one line: JSON Pointer, what is wrong, what is allowed, what was meant."""

from __future__ import annotations

from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_TYPE_NAMES = {
    "string": "text",
    "array": "a list",
    "object": "a map",
    "boolean": "true or false",
    "null": "null",
}


def pointer(parts: Iterable[object]) -> str:
    """Return the JSON Pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def nearest(name: object, known: Iterable[str]) -> str:
    """Return a hint such as `, did you mean 'wallet'?`, or nothing if no known name is near."""
    names = {known_name.lower(): known_name for known_name in known}
    near = get_close_matches(str(name).lower(), names, 1)
    return f", did you mean {names[near[0]]!r}?" if near else ""


def not_known(path: str, what: str, name: object, known: Sequence[str]) -> str:
    """Return the line for a name that is not one of the known ones."""
    return f"{path}: unknown {what} {name!r}{nearest(name, known)} (allowed: {', '.join(known)})"


def violations(schema: dict[str, Any], instance: object, at: Sequence[object] = ()) -> Iterator[str]:
    """Yield one line for each violation of a JSON Schema, in the order of the document."""
    errors = Draft202012Validator(schema).iter_errors(instance)
    for error in sorted(errors, key=lambda error: [str(part).zfill(6) for part in error.absolute_path]):
        yield from _lines(error, [*at, *error.absolute_path])


def _lines(error: ValidationError, path: list[object]) -> Iterator[str]:
    """Word one violation; unknown and missing members are pointed at themselves, not at their parent."""
    here = pointer(path) or "/"
    found: Any = error.instance
    expected: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "additionalProperties":
            known = list(schema["properties"])
            for name in [name for name in found if name not in known]:
                yield not_known(pointer([*path, name]), schema.get("x-name", "setting"), name, known)
        case "required":
            name = next(name for name in expected if repr(name) in error.message)
            yield f"{pointer([*path, name])}: is missing"
        case "enum":
            known = [str(name).lower() if isinstance(name, bool) else name for name in expected if name is not None]
            yield not_known(here, schema.get("x-name", "value"), found, known)
        case "type":
            yield _wrong_type(here, found, [expected] if isinstance(expected, str) else expected)
        case "pattern":
            yield f"{here}: {found!r} is no currency: a code of three capitals such as GBP, or *"
        case _:
            yield f"{here}: must not be empty"


def _wrong_type(here: str, found: object, expected: list[str]) -> str:
    wanted = " or ".join(_TYPE_NAMES.get(name, name) for name in expected if name != "null")
    if "string" in expected and isinstance(found, int | float | Decimal):
        shown = str(found).lower() if isinstance(found, bool) else str(found)
        return f'{here}: {shown} is not text: write it in quotes ("{shown}"), YAML would lose leading zeros'
    return f"{here}: expected {wanted}"
