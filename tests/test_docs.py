"""What the documents say is what the code has."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from singer_sdk.helpers.capabilities import TapCapabilities

from tap_pleo_export.pleo_plugin.settings import SETTINGS, TARGET_SETTINGS
from tap_pleo_export.tap.plugin import TapPleoExport
from tap_pleo_export.target.plugin import TargetPleoExport
from tests.conftest import CHECKOUT
from tools.docs import tables

if TYPE_CHECKING:
    from pathlib import Path

    from tap_pleo_export.pleo_plugin.plugin import PleoPlugin

KINDS = {"string": "string", "integer": "integer", "boolean": "boolean", "array": "array", "object": "object"}
DOCUMENTS = sorted((CHECKOUT / "docs").glob("*.md"))
FRONT = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
TEST_NAME = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def declared_settings(plugin: type[PleoPlugin]) -> dict[str, dict[str, Any]]:
    schema: dict[str, Any] = plugin.config_jsonschema
    plugin.append_builtin_config(schema)
    settings: dict[str, dict[str, Any]] = schema["properties"]
    return settings


def in_meltano(plugin: type[PleoPlugin]) -> dict[str, Any]:
    plugins = yaml.safe_load((CHECKOUT / "meltano.yml").read_text())["plugins"]
    (found,) = [block for kind in ("extractors", "loaders") for block in plugins[kind] if block["name"] == plugin.name]
    block: dict[str, Any] = found
    return block


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_tables_are_rendered_from_the_code(page: Path) -> None:
    assert page.read_text("utf-8") == tables.rendered(page), "run: python -m tools.docs.tables"


def test_files_for_other_projects_are_rendered_from_meltano_yml() -> None:
    for path, text in tables.files().items():
        assert path.read_text("utf-8") == text, "run: python -m tools.docs.tables"
    assert {path for path in tables.files() if path.parent == tables.PLUGINS} == set(tables.PLUGINS.iterdir())


@pytest.mark.parametrize(
    ("plugin", "own"), [(TapPleoExport, SETTINGS), (TargetPleoExport, TARGET_SETTINGS)], ids=["tap", "target"]
)
def test_meltano_yml_declares_the_settings_of_the_code(plugin: type[PleoPlugin], own: dict[str, Any]) -> None:
    ours = {name: s for name, s in declared_settings(plugin).items() if not name.startswith("faker")}
    in_project = {setting["name"]: setting for setting in in_meltano(plugin)["settings"]}
    assert set(ours) - {"stream_map_config", "stream_maps"} <= set(in_project)
    for name, setting in in_project.items():
        declared = ours[name]
        types = [kind for kind in declared.get("type", ["object"]) if kind != "null"]
        assert setting["kind"] == KINDS[types[0]], name
        assert bool(setting.get("sensitive")) == bool(declared.get("secret")), name
        if name in own["properties"]:
            assert setting.get("value") == declared.get("default"), name
            assert setting["description"] == declared["description"], name


@pytest.mark.parametrize("plugin", [TapPleoExport, TargetPleoExport], ids=["tap", "target"])
def test_meltano_yml_declares_the_capabilities_of_the_code(plugin: type[PleoPlugin]) -> None:
    assert set(in_meltano(plugin)["capabilities"]) == {str(c.value) for c in plugin.capabilities}
    assert TapCapabilities.ACTIVATE_VERSION not in TapPleoExport.capabilities


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_tests_that_exist(document: Path) -> None:
    text = document.read_text()
    assert "TODO" not in text
    for path, name in TEST_NAME.findall(text):
        content = (CHECKOUT / path).read_text()
        assert not name or f"def {name}(" in content, f"{path}::{name}"


def test_every_guarantee_names_its_test() -> None:
    lines = (CHECKOUT / "docs" / "guarantees.md").read_text().splitlines()
    promises = [line for line in lines if line.startswith("| ") and not line.startswith(("| promise", "| ---"))]
    assert len(promises) > 30
    for promise in promises:
        assert TEST_NAME.search(promise.rpartition(" | ")[2]), promise


def test_what_a_guarantee_names_is_a_test_that_can_fail() -> None:
    text = (CHECKOUT / "docs" / "guarantees.md").read_text("utf-8")
    for path, name in TEST_NAME.findall(text):
        functions = _functions(path)
        assert name.startswith("test_"), f"{path}::{name} is collected by nobody"
        assert _may_fail(functions[name], functions), f"{path}::{name} asserts nothing"


def _functions(path: str) -> dict[str, ast.FunctionDef]:
    """Return the functions of a module and of the helpers that it imports from."""
    module = ast.parse((CHECKOUT / path).read_text("utf-8"))
    helpers = (node.module for node in module.body if isinstance(node, ast.ImportFrom) and node.module)
    known: dict[str, ast.FunctionDef] = {}
    for helper in helpers:
        if helper.startswith("tests.helpers."):
            known |= _functions(f"{helper.replace('.', '/')}.py")
    return known | {node.name: node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}


def _may_fail(function: ast.FunctionDef, functions: dict[str, ast.FunctionDef], depth: int = 3) -> bool:
    """Return whether a function asserts something, expects an exception, or calls one beside it that does."""
    if any(
        isinstance(node, ast.Assert) or (isinstance(node, ast.Attribute) and node.attr == "raises")
        for node in ast.walk(function)
    ):
        return True
    called = {
        node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return depth > 0 and any(_may_fail(functions[name], functions, depth - 1) for name in called & functions.keys())


@pytest.mark.parametrize("document", [*FRONT, *DOCUMENTS], ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_architecture_gives_every_part_of_the_package_its_row_and_no_other() -> None:
    rows = (CHECKOUT / "docs" / "architecture.md").read_text("utf-8").splitlines()
    named = {name for row in rows if row.startswith("| `") for name in re.findall(r"`([\w.]+)/?`", row.split("|")[1])}
    parts = {
        p.name for p in (CHECKOUT / "tap_pleo_export").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }

    assert named == {name for name in parts if not name.startswith("__")}


def test_contributing_tells_every_target_of_make() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (CHECKOUT / "Makefile").read_text("utf-8"), re.MULTILINE)
    told = re.findall(r"^\| `make ([\w-]+)` \|", (CHECKOUT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(told) == sorted(set(targets) - {"help"})
