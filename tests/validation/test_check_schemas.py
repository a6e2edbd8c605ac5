"""How large a check's schema may be: what would take minutes or gigabytes is refused with the settings, at once."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pleo_export.validation import SettingsError, Validator, parse_settings

NESTED = "is nested too deeply, or has too long a chain of references"
UNFOLDS = "unfolds into more than 10,000 subschemas, references followed; shorten it"
CHAIN = range(25)


def settings(schema: Any) -> dict[str, Any]:
    return {
        "checks": [{"id": "own", "schema": schema, "failureReasonType": "validation_failure", "failureReason": "No."}]
    }


def nested(levels: int, keyword: str = "not", innermost: object = True) -> Any:
    schema: Any = innermost
    for _ in range(levels):
        schema = {keyword: schema}
    return schema


def chained(name: str, refer: str, keyword: str = "$ref") -> dict[str, Any]:
    """Return a schema of 25 definitions, each of which refers to the next one twice."""
    links = {f"d{n}": {name: f"d{n}", "anyOf": [{keyword: f"{refer}d{n + 1}"}] * 2} for n in CHAIN}
    return {"$defs": links | {"d25": {name: "d25", "type": "null"}}, keyword: f"{refer}d0"}


REFUSED: dict[str, tuple[Any, str]] = {
    "300 levels": (nested(300), NESTED),
    "300 levels of items": (nested(300, "items"), NESTED),
    "300 levels of a constant": ({"const": nested(300)}, NESTED),
    "1,000 definitions in a row": (
        {"$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(1000)} | {"d1000": {}}, "$ref": "#/$defs/d0"},
        NESTED,
    ),
    "25 forks by pointer": (chained("$comment", "#/$defs/"), UNFOLDS),
    "25 forks by anchor": (chained("$anchor", "#"), UNFOLDS),
    "25 forks by dynamic anchor": (chained("$dynamicAnchor", "#", "$dynamicRef"), UNFOLDS),
    "25 forks by id": (chained("$id", ""), UNFOLDS),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_schema_too_large_to_judge_with_is_refused(what: str) -> None:
    schema, expected = REFUSED[what]

    with pytest.raises(SettingsError) as caught:
        parse_settings(settings(schema))

    assert caught.value.problems == [f"/checks/0/schema: {expected}"]


ACCEPTED: dict[str, Any] = {
    "50 levels": nested(50),
    "9,000 constants": {"properties": {"note": {"anyOf": [{"const": str(number)} for number in range(9000)]}}},
    "a definition used a thousand times": {
        "$defs": {"text": {"type": ["string", "null"]}},
        "anyOf": [{"properties": {"note": {"$ref": "#/$defs/text"}}}] * 1000,
    },
    "a circle": {"$defs": {"a": {"properties": {"note": {"anyOf": [{"$ref": "#"}, {"$ref": "#/$defs/a"}, True]}}}}},
    "definitions that nothing refers to": {"$defs": chained("$comment", "#/$defs/")["$defs"]},
    "a pointer into an embedded document": {
        "$defs": {"inner": {"$id": "urn:inner", "anyOf": [{}, {}], "allOf": [{"$ref": "#/anyOf/1"}]}},
        "anyOf": [{"$ref": "urn:inner"}],
    },
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_a_schema_of_any_other_size_judges(what: str) -> None:
    validator = Validator(parse_settings(settings(ACCEPTED[what])))

    (verdict,) = (check for check in validator.judge({"note": "1"}).checks if check.check == "own")

    assert verdict.status == "passed"
