"""Walks over JSON Schemas: what their parts are and which members these speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Field = tuple[str, ...]
"""Names of members from the record inwards; lists on the way are transparent."""

Where = tuple[str | int, ...]
"""Place of a subschema in its schema."""

Subschema = tuple[Where, Field | None, dict[str, Any]]

_SAME: Field = ()
_SINGLE: dict[str, Field | None] = {
    **dict.fromkeys(("not", "if", "then", "else", "items", "contains", "unevaluatedItems"), _SAME),
    **dict.fromkeys(("additionalProperties", "propertyNames", "unevaluatedProperties"), None),
}
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS: dict[str, Field | None] = {
    "dependentSchemas": _SAME,
    **dict.fromkeys(("patternProperties", "$defs", "definitions"), None),
}


def subschemas(schema: object, where: Where = (), at: Field | None = ()) -> Iterator[Subschema]:
    """Yield each subschema with its place and the field it speaks of (None if that cannot be told)."""
    if isinstance(schema, dict):
        yield where, at, schema
        for place, step, part in _parts(schema):
            inner = None if at is None or step is None else (*at, *step)
            yield from subschemas(part, (*where, *place), inner)


def _parts(schema: dict[str, Any]) -> Iterator[tuple[Where, Field | None, object]]:
    """Yield a schema's immediate parts: their place, the step to the member they speak of, themselves."""
    for keyword, value in schema.items():
        if keyword in _SINGLE:
            yield (keyword,), _SINGLE[keyword], value
        elif keyword in _LISTS and isinstance(value, list):
            yield from (((keyword, index), _SAME, part) for index, part in enumerate(value))
        elif keyword == "properties" and isinstance(value, dict):
            yield from (((keyword, name), (name,), part) for name, part in value.items())
        elif keyword in _MAPS and isinstance(value, dict):
            yield from (((keyword, name), _MAPS[keyword], part) for name, part in value.items())
