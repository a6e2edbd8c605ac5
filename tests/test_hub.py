"""The definitions in hub/ follow the rules of Meltano Hub (schemas/plugin_definitions of meltano/hub, August 2026)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import CHECKOUT
from tools.docs import hub, tables

FILES = sorted((CHECKOUT / "hub").rglob("*.yml"))
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
FLAG = {"type": "boolean"}
# The subset of the Hub's properties and kinds that plugins of this package may need.
SETTING = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "label": TEXT,
        "description": TEXT,
        "kind": {"enum": ["array", "boolean", "decimal", "integer", "object", "string"]},
        "sensitive": FLAG,
        "value": {},
    },
}
CAPABILITIES = {
    "extractors": ["about", "catalog", "discover", "schema-flattening", "state", "stream-maps", "structured-logging"],
    "mappers": ["about", "schema-flattening", "stream-maps", "structured-logging"],
    "loaders": ["about", "schema-flattening", "stream-maps", "structured-logging", "validate-records"],
}
TEXTUAL = ("name", "pip_url", "namespace", "variant", "label", "description", "executable", "docs", "repo", "logo_url")


def rules(kind: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        **dict.fromkeys(TEXTUAL, TEXT),
        "domain_url": TEXT | {"format": "uri"},
        "keywords": TEXTS,
        "settings": {"type": "array", "items": SETTING},
        "settings_group_validation": {"type": "array", "items": TEXTS},
        "capabilities": {"type": "array", "items": {"enum": CAPABILITIES[kind]}},
        "maintenance_status": {"enum": ["active", "beta", "development", "inactive", "unknown"]},
        "quality": {"enum": ["gold", "silver", "bronze", "unknown"]},
    }
    if kind == "mappers":
        properties["next_steps"] = TEXT
    else:
        properties["supported_python_versions"] = {"type": "array", "items": TEXT | {"pattern": r"^3\.\d+$"}}
    required = [*TEXTUAL, "quality"]
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_the_hub_accepts_the_definition(file: Path) -> None:
    definition = yaml.safe_load(file.read_text("utf-8"))
    kind, name = file.parts[-3:-1]

    jsonschema.validate(definition, rules(kind))
    assert (definition["name"], definition["variant"]) == (name, file.stem)
    assert list(definition) == sorted(definition)
    logo = hub.HUB / "static" / definition["logo_url"].removeprefix("/")
    assert logo.read_bytes().startswith(b"\x89PNG")
    # Nothing is on a package index yet.
    assert definition["pip_url"].startswith("git+https://")


def test_every_plugin_of_the_package_has_a_definition() -> None:
    assert [file.parent.name for file in FILES] == [
        "tap-pleo-export",
        "target-pleo-export",
        "map-pleo-attachments",
        "map-pleo-validation",
    ]
    assert set(FILES) == {path for path in tables.files() if path.is_relative_to(hub.HUB)}
