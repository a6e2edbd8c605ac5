"""User-defined checks: a JSON Schema (draft 2020-12) that the record must satisfy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import jsonschema_rs

from tap_pleo_export.singer.schema_errors import nearest, pointer, unknown, violations
from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.validation.json_schema import members_named, part_at, subschemas, unfolded
from tap_pleo_export.validation.verdict import Finding, Record, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_UNFOLDED = 10_000
"""Subschemas, references followed: each of them costs time and memory on every item."""

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
_KEYWORDS = frozenset(_KEYWORD_NAMES.split())


class SchemaError(ValueError):
    """A check's schema cannot be used.

    Attributes:
        problems: One line per mistake, each beginning with a JSON Pointer into the schema.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class UserCheck:
    """A compiled check.

    Attributes:
        id: Name of the check.
        severity: `error` or `warning`.
        failure: The finding of a record that fails, without its path.
        schema: Compiled schema, formats asserted.
        reads: Members of an item, top-level ones, that the schema names.
        hints: Likely mistakes that are legal JSON Schema, each beginning with a JSON Pointer into the schema.
    """

    id: str
    severity: Severity
    failure: Finding
    schema: jsonschema_rs.Draft202012Validator
    reads: frozenset[str]
    hints: tuple[str, ...]

    @classmethod
    def of(cls, definition: dict[str, Any]) -> UserCheck:
        """Compile one entry of the setting `checks`.

        Raises:
            SchemaError: The schema is no valid JSON Schema 2020-12, or too large a one, or refers to another document,
                or names a member that no export item has.
        """
        try:
            return cls._of(definition)
        except RecursionError:
            raise SchemaError([f": {NESTED}"]) from None

    @classmethod
    def _of(cls, definition: dict[str, Any]) -> UserCheck:
        schema = definition["schema"]
        severity = definition.get("severity", "error")
        reason = definition["failureReasonType"], definition["failureReason"]
        compiled = compile_schema(schema)
        named = members_named(schema)
        known = shipped("export_items.json")["properties"]
        unknown = [
            f"{pointer(where)}: no export item has a member {name!r}{nearest(name, known)}"
            for name, where in named.items()
            if name not in known
        ]
        if unknown:
            raise SchemaError(unknown)
        failure = Finding(definition["id"], "failed", severity, *reason)
        return cls(
            definition["id"],
            severity,
            failure,
            compiled,
            frozenset(named),
            tuple(_hints(schema)),
        )

    def judge(self, record: Record) -> tuple[Finding, ...]:
        """Return no finding, or the one that the record's first violation makes."""
        if self.schema.is_valid(record):
            return ()
        path = pointer(next(self.schema.iter_errors(record)).instance_path)
        known = self.failure
        return (Finding(self.id, "failed", self.severity, known.failure_reason_type, known.failure_reason, path),)


def compile_schema(schema: dict[str, Any] | bool) -> jsonschema_rs.Draft202012Validator:  # noqa: FBT001 - a JSON Schema may be a boolean
    """Compile a JSON Schema, formats asserted.

    Raises:
        SchemaError: With every violation of the metaschema, or the first thing that does not resolve or compile.
    """
    problems = list(_schema_problems(schema))
    if problems:
        raise SchemaError(problems)
    try:
        compiled = jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, ignore_unknown_formats=False, retriever=_refuse
        )
    except (jsonschema_rs.ReferencingError, jsonschema_rs.ValidationError) as problem:
        path = pointer(getattr(problem, "instance_path", ()))
        raise SchemaError([f"{path}: {str(problem).splitlines()[0]}"]) from None
    except ValueError:
        # The library's recursion limit.
        raise SchemaError([f": {NESTED}"]) from None
    if unfolded(schema) > MOST_UNFOLDED:
        raise SchemaError([f": unfolds into more than {MOST_UNFOLDED:,} subschemas, references followed; shorten it"])
    return compiled


def _schema_problems(schema: object) -> Iterator[str]:
    for violation in violations({"$ref": _DIALECT}, schema):
        text = violation.text
        if violation.keyword == "anyOf" and isinstance(name := part_at(schema, violation.path), str):
            # Only `type` may be one of several things.
            text = unknown("type", name, _TYPES)
        yield f"{pointer(violation.path)}: {text}"
    for where, _, part in subschemas(schema):
        if part.get("$schema", _DIALECT).rstrip("#") != _DIALECT:
            yield f"{pointer([*where, '$schema'])}: only JSON Schema 2020-12 is understood ({_DIALECT})"


def _hints(schema: object) -> Iterator[str]:
    for where, _, part in subschemas(schema):
        for keyword in part:
            if keyword not in _KEYWORDS and not keyword.startswith("x-"):
                place = pointer([*where, keyword])
                yield f"{place}: is no JSON Schema keyword and has no effect{nearest(keyword, _KEYWORDS)}"


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"references to other documents are refused ({uri})")
