"""Violations of a JSON Schema: one line each, with path, allowed values and the nearest known name, never a secret."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pleo_export.singer.schema_errors import violations

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "mode": {"enum": ["fast", "exact", True, None]},
        "role": {"x-name": "role", "enum": ["wallet"]},
        "size": {"type": ["integer", "null"], "minimum": 1},
        "on/off~": {"type": "boolean"},
        "ids": {"type": "array", "items": {"pattern": "^[a-f]+$", "x-error": "is not an id"}},
        "token": {"type": "string", "minLength": 20, "pattern": "^t", "secret": True},
        "map": {"type": "object", "propertyNames": {"maxLength": 2}, "x-name": "key", "minProperties": 1},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        ({"name": "a"}, []),
        ([], ["/: expected a map"]),
        ({}, ["/name: is missing"]),
        ({"name": ""}, ["/name: must not be empty"]),
        ({"name": 7}, ['/name: 7 is not text: write it in quotes ("7"), YAML would lose leading zeros']),
        (
            {"name": "a", "mode": "exakt"},
            ["/mode: unknown value 'exakt', did you mean 'exact'? (allowed: fast, exact, true)"],
        ),
        ({"name": "a", "role": "cash"}, ["/role: unknown role 'cash' (allowed: wallet)"]),
        ({"name": "a", "size": "3"}, ["/size: expected a whole number"]),
        ({"name": "a", "size": 0}, ["/size: 0 is less than the minimum of 1"]),
        ({"name": "a", "on/off~": 1}, ["/on~1off~0: expected true or false"]),
        ({"name": "a", "ids": ["a", "x"]}, ["/ids/1: is not an id"]),
        ({"name": "a", "ids": ["x"] * 11}, [f"/ids/{index}: is not an id" for index in range(11)]),
        ({"name": "a", "map": {"abc": 1}}, ['/map/abc: "abc" is longer than 2 characters']),
        (
            {"name": "a", "token": "secret"},
            ["/token: breaks the rule 'minLength'", "/token: breaks the rule 'pattern'"],
        ),
        ({"name": "a", "token": 1234}, ["/token: expected text"]),
        ({"name": "a", "mode": "\ud800"}, ["/: contains a lone surrogate (such as \\ud800), which is not valid text"]),
    ],
)
def test_each_violation_is_one_line(document: object, lines: list[str]) -> None:
    assert list(map(str, violations(SCHEMA, document))) == lines


def test_unknown_names_and_missing_ones_are_listed_with_the_rest_sorted_by_path() -> None:
    found = violations(SCHEMA, {"nmae": 1, "modes": 2, "size": None})

    allowed = ", ".join(SCHEMA["properties"])
    assert list(map(str, found)) == [
        f"/modes: unknown setting 'modes', did you mean 'mode'? (allowed: {allowed})",
        "/name: is missing",
        f"/nmae: unknown setting 'nmae', did you mean 'name'? (allowed: {allowed})",
    ]
    assert [(each.path, each.keyword) for each in found][1] == (("name",), "required")


def test_a_document_nested_too_deeply_is_one_violation() -> None:
    document: Any = {}
    for _ in range(300):
        document = {"name": document}

    assert list(map(str, violations(SCHEMA, document))) == ["/: is nested too deeply"]
