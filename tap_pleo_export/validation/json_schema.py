"""Finds the subschemas of JSON Schemas and the record members that they name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Where = tuple[str | int, ...]
"""Place of a subschema in its schema."""

Subschema = tuple[Where, bool, dict[str, Any]]

_SINGLE = {
    **dict.fromkeys(("not", "if", "then", "else"), True),
    **dict.fromkeys(("items", "contains", "unevaluatedItems"), False),
    **dict.fromkeys(("additionalProperties", "propertyNames", "unevaluatedProperties"), False),
}
_LISTS = {"allOf": True, "anyOf": True, "oneOf": True, "prefixItems": False}
_MAPS = {"dependentSchemas": True, **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions"), False)}


def subschemas(schema: object, where: Where = (), *, whole: bool = True) -> Iterator[Subschema]:
    """Yield each subschema with its place, and whether it applies to the whole value rather than a part of it."""
    if isinstance(schema, dict):
        yield where, whole, schema
        for place, same, part in _parts(schema):
            yield from subschemas(part, (*where, *place), whole=whole and same)


def _parts(schema: dict[str, Any]) -> Iterator[tuple[Where, bool, object]]:
    """Yield a schema's immediate parts: place, whether it applies to the same value, and the part itself."""
    for keyword, value in schema.items():
        if keyword in _SINGLE:
            yield (keyword,), _SINGLE[keyword], value
        elif keyword in _LISTS and isinstance(value, list):
            yield from (((keyword, index), _LISTS[keyword], part) for index, part in enumerate(value))
        elif keyword in _MAPS and isinstance(value, dict):
            yield from (((keyword, name), _MAPS[keyword], part) for name, part in value.items())


def members_named(schema: object) -> dict[str, Where]:
    """Return the top-level members that a schema names, each with its first place; follows local references."""
    found: dict[str, Where] = {}
    places: list[Where] = [()]
    for base in places:
        for where, whole, part in subschemas(part_at(schema, base), base):
            if not whole:
                continue
            for keyword in ("properties", "dependentSchemas", "dependentRequired"):
                for name in part.get(keyword, ()):
                    found.setdefault(name, (*where, keyword, name))
            for index, name in enumerate(part.get("required", ())):
                found.setdefault(name, (*where, "required", index))
            for name, others in part.get("dependentRequired", {}).items():
                for index, other in enumerate(others):
                    found.setdefault(other, (*where, "dependentRequired", name, index))
            target = _target(part.get("$ref"))
            if target is not None and target not in places:
                places.append(target)
    return found


def unfolded(schema: object) -> int:
    """Return into how many subschemas a schema unfolds: each reference counts as all that it names, a circle once."""
    names = ("$id", "$anchor", "$dynamicAnchor")
    named = {part[name]: part for _, _, part in subschemas(schema) for name in names if isinstance(part.get(name), str)}
    sizes: dict[int, int] = {}

    def size(part: object) -> int:
        if not isinstance(part, dict):
            return 1
        if id(part) not in sizes:
            sizes[id(part)] = 1
            # Definitions count where they are used.
            below = [sub for place, _, sub in _parts(part) if place[0] not in {"$defs", "definitions"}]
            for reference in (part.get("$ref"), part.get("$dynamicRef")):
                if isinstance(reference, str):
                    target = _target(reference)
                    below.append(named.get(reference.removeprefix("#")) if target is None else part_at(schema, target))
            sizes[id(part)] = 1 + sum(map(size, below))
        return sizes[id(part)]

    return size(schema)


def _target(reference: object) -> Where | None:
    """Return the place that a local reference points to by its path."""
    if reference == "#":
        return ()
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/"))


def part_at(schema: object, where: Where) -> object:
    """Return the part of a schema at a place; None if the place does not exist."""
    for step in where:
        if isinstance(schema, list):
            # A reference within an embedded document (`$id`) may not exist in this one.
            schema = {str(index): element for index, element in enumerate(schema)}.get(str(step))
        elif isinstance(schema, dict):
            schema = schema.get(str(step))
    return schema
