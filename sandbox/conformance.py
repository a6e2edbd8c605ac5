"""Check objects against the wire schemas in ``wire/``, named as in Pleo's OpenAPI documents."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker

WIRE = Path(__file__).with_name("wire")
FORMATS = FormatChecker(formats=())
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


@FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    # Version and variant bits are not enforced: documented samples have neither.
    return not isinstance(value, str) or str(UUID(value)) == value.lower()


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return bool(_RFC3339.fullmatch(value)) and datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@FORMATS.checks("int64")
def _is_int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


@cache
def validator(name: str) -> Draft202012Validator:
    """Return the validator of one OpenAPI schema.

    Args:
        name: The schema's name in Pleo's OpenAPI documents, such as ``ExportItemV3``.

    Raises:
        KeyError: No file in ``wire/`` defines it.
    """
    for path in sorted(WIRE.glob("*.json")):
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if name in document["$defs"]:
            schema = {**document, "$ref": f"#/$defs/{name}"}
            Draft202012Validator.check_schema(schema)
            return Draft202012Validator(schema, format_checker=FORMATS)
    raise KeyError(name)


def definition(name: str) -> dict[str, Any]:
    """Return one OpenAPI schema from ``wire/``, see ``validator``."""
    document: Any = validator(name).schema
    schema: dict[str, Any] = document["$defs"][name]
    return schema


def violations(name: str, value: object) -> list[str]:
    """Return the violations of a schema, as ``path: reason``."""
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(value)]


def require(name: str, value: object) -> None:
    """Refuse seeded data that Pleo could not have sent.

    Raises:
        ValueError: ``value`` violates the schema; the message lists up to three violations.
    """
    if found := violations(name, value):
        raise ValueError(f"not a {name}: " + "; ".join(found[:3]))
