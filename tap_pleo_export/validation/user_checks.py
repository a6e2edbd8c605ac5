"""User-defined checks: a JSON Schema (draft 2020-12) that the record must satisfy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import jsonschema_rs

from tap_pleo_export.singer.exact_json import encode
from tap_pleo_export.singer.schema_errors import nearest, pointer, unknown, violations
from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.text import one_line
from tap_pleo_export.validation.json_schema import members_named, part_at, subschemas, unfolded
from tap_pleo_export.validation.verdict import Check, Finding, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.validation.booking import Booking
    from tap_pleo_export.validation.vocabulary import Record

MAX_SUBSCHEMAS = 10_000
"""Limit of subschemas after following references: each costs time and memory on every item."""

NESTED = "is nested too deeply, or has too long a chain of references"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_KEYWORD_NAMES = """
    $id $schema $ref $anchor $dynamicRef $dynamicAnchor $vocabulary $comment $defs definitions allOf anyOf oneOf not if
    then else dependentSchemas dependentRequired prefixItems items contains minContains maxContains properties
    patternProperties additionalProperties propertyNames unevaluatedItems unevaluatedProperties type const enum
    multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems minItems
    uniqueItems maxProperties minProperties required format title description default deprecated examples readOnly
    writeOnly contentEncoding contentMediaType contentSchema
"""
_PLACEHOLDER = re.compile(r"\{(value|path|line)\}")
LINES = "accountingEntryLines"
_KEYWORDS = frozenset(_KEYWORD_NAMES.split())


class SettingsError(ValueError):
    """The settings, or the schema of one check, cannot be used.

    Attributes:
        problems: One line per mistake: JSON Pointer into the settings or the schema, and the mistake.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def compile_check(definition: dict[str, Any]) -> Check:
    """Compile one entry of the setting `checks`; its finding is on the first violation.

    Raises:
        SettingsError: The schema is not valid JSON Schema 2020-12, is too large, refers to another document, or names
            a member that export items do not have.
    """
    try:
        return _compile_check(definition)
    except RecursionError:
        raise SettingsError([f": {NESTED}"]) from None


def _compile_check(definition: dict[str, Any]) -> Check:
    check, schema, severity = definition["id"], definition["schema"], definition.get("severity", "error")
    kind, reason = definition["failureReasonType"], definition["failureReason"]
    compiled = _compile_schema(schema)
    named = members_named(schema)
    known = shipped("export_items.json")["properties"]
    absent = [(name, where) for name, where in named.items() if name not in known]
    if absent:
        text = "export items have no member"
        raise SettingsError([f"{pointer(where)}: {text} {name!r}{nearest(name, known)}" for name, where in absent])

    def judge(record: Record, _booking: Booking) -> tuple[Finding, ...]:
        if compiled.is_valid(record):
            return ()
        path = next(compiled.iter_errors(record)).instance_path
        line = path[1] + 1 if len(path) > 1 and path[0] == LINES and isinstance(path[1], int) else None
        subject = Subject(str(path[0]) if path else "item", line=line)
        texts = {"value": _shown(record, path), "path": pointer(path), "line": str(line or "")}
        text = _PLACEHOLDER.sub(lambda found: texts[found[1]], reason)
        return (Finding(check, "failed", severity, kind, text, pointer(path), subject),)

    return Check(check, severity, judge, frozenset(named), tuple(_hints(schema)))


def _shown(record: Record, path: list[str | int]) -> str:
    """Return the value at fault for a text: on one line, and not too long."""
    value: Any = record
    for step in path:
        value = value[step]
    return one_line(value if isinstance(value, str) else encode(value).decode(errors="replace"))


def _compile_schema(schema: Any) -> jsonschema_rs.Draft202012Validator:  # noqa: ANN401 - a JSON Schema
    """Compile a JSON Schema, formats asserted; report all violations of the metaschema, or else the first error."""
    problems = list(_schema_problems(schema))
    if problems:
        raise SettingsError(problems)
    try:
        compiled = jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, ignore_unknown_formats=False, retriever=_refuse
        )
    except (jsonschema_rs.ReferencingError, jsonschema_rs.ValidationError) as problem:
        path = pointer(getattr(problem, "instance_path", ()))
        raise SettingsError([f"{path}: {str(problem).splitlines()[0]}"]) from None
    except ValueError:
        # The library's recursion limit.
        raise SettingsError([f": {NESTED}"]) from None
    if unfolded(schema) > MAX_SUBSCHEMAS:
        raise SettingsError(
            [f": unfolds into more than {MAX_SUBSCHEMAS:,} subschemas, references followed; shorten it"]
        )
    return compiled


def _schema_problems(schema: object) -> Iterator[str]:
    for violation in violations({"$ref": _DIALECT}, schema):
        text = violation.text
        if violation.keyword == "anyOf" and isinstance(name := part_at(schema, violation.path), str):
            # In the metaschema, only `type` uses anyOf.
            text = unknown("type", name, _TYPES)
        yield f"{pointer(violation.path)}: {text}"
    for where, _, part in subschemas(schema):
        if part.get("$schema", _DIALECT).rstrip("#") != _DIALECT:
            yield f"{pointer([*where, '$schema'])}: only JSON Schema 2020-12 is supported ({_DIALECT})"


def _hints(schema: object) -> Iterator[str]:
    for where, _, part in subschemas(schema):
        for keyword in part:
            if keyword not in _KEYWORDS and not keyword.startswith("x-"):
                place = pointer([*where, keyword])
                yield f"{place}: is not a JSON Schema keyword and has no effect{nearest(keyword, _KEYWORDS)}"


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"references to other documents are refused ({uri})")
