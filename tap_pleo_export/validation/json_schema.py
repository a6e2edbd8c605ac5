"""Walks over JSON Schemas: which fields a schema reads, which of them another schema does not offer."""

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
        named = [branch["properties"] for branch in _branches(level) if isinstance(branch.get("properties"), dict)]
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
