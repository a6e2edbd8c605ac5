"""Walks over JSON Schemas: which fields a schema reads, which of them another schema does not offer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Field = tuple[str, ...]
"""Names of members from the record inwards; lists on the way are transparent."""

Where = tuple[str | int, ...]
"""Place of a subschema in its schema."""

_SAME_INSTANCE = ("not", "if", "then", "else")
_ELEMENTS = ("items", "contains", "unevaluatedItems")
_OTHER_MEMBERS = ("additionalProperties", "propertyNames", "unevaluatedProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("patternProperties", "$defs", "definitions")


def subschemas(
    schema: object, where: Where = (), at: Field | None = ()
) -> Iterator[tuple[Where, Field | None, dict[str, Any]]]:
    """Yield each subschema with its place and the field it speaks of (None if that cannot be told)."""
    if not isinstance(schema, dict):
        return
    yield where, at, schema
    for keyword, value in schema.items():
        here = (*where, keyword)
        if keyword in _SAME_INSTANCE or keyword in _ELEMENTS:
            yield from subschemas(value, here, at)
        elif keyword in _OTHER_MEMBERS:
            yield from subschemas(value, here, None)
        elif keyword in _LISTS and isinstance(value, list):
            for index, branch in enumerate(value):
                yield from subschemas(branch, (*here, index), at)
        elif keyword in ("properties", "dependentSchemas") and isinstance(value, dict):
            for name, member in value.items():
                inner = at if keyword == "dependentSchemas" or at is None else (*at, name)
                yield from subschemas(member, (*here, name), inner)
        elif keyword in _MAPS and isinstance(value, dict):
            for name, member in value.items():
                yield from subschemas(member, (*here, name), None)


def fields_read(schema: object) -> frozenset[Field]:
    """Return the fields that a schema mentions in `properties` or `required`, local references followed."""
    found: set[Field] = set()
    todo: list[tuple[object, Field]] = [(schema, ())]
    seen: set[tuple[int, Field]] = set()
    while todo:
        part, base = todo.pop()
        for _, at, sub in subschemas(part, at=base):
            if at is None:
                continue
            found.update((*at, name) for name in (*sub.get("properties", ()), *sub.get("required", ())))
            target = _resolve(schema, sub.get("$ref"))
            # A recursive schema repeats its target below itself: once per target is enough.
            if target is not None and not any(known == id(target) for known, _ in seen):
                seen.add((id(target), at))
                todo.append((target, at))
    return frozenset(found)


def _resolve(root: object, reference: object) -> object | None:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    for part in reference[2:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(root, dict) or name not in root:
            return None
        root = root[name]
    return root


def first_lacking(schema: dict[str, Any], field: Field) -> Field | None:
    """Return the part of a field, from the record inwards, that a stream's schema does not offer; None if it does.

    A schema that names no members at some level is open there and offers everything.
    """
    level: Any = schema
    for depth, name in enumerate(field, 1):
        named = [
            branch["properties"] for branch in _branches(level) if isinstance(branch.get("properties"), dict)
        ]
        if not named:
            return None
        offered = [members[name] for members in named if name in members]
        if not offered:
            return field[:depth]
        level = offered[0]
    return None


def _branches(schema: object) -> Iterator[dict[str, Any]]:
    """Yield the schemas that may speak of an object's members, lists and alternatives seen through."""
    if isinstance(schema, dict):
        yield schema
        yield from _branches(schema.get("items"))
        for keyword in ("allOf", "anyOf", "oneOf"):
            for branch in schema.get(keyword) or ():
                yield from _branches(branch)


def carries(value: object, field: Field) -> bool:
    """Tell whether a value carries a field wherever its parents exist (an empty or null parent has nothing to lack)."""
    if isinstance(value, list):
        return all(carries(element, field) for element in value)
    if not isinstance(value, dict):
        return True
    name, *rest = field
    return carries(value.get(name), tuple(rest)) if rest else name in value
