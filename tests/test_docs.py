"""Generated reference tables match the code, and the guarantees name tests that exist."""

from __future__ import annotations

import itertools
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tap_pleo_export.pleo_plugin.plugin import PleoPlugin
from tap_pleo_export.pleo_plugin.settings import SETTINGS, TARGET_SETTINGS
from tap_pleo_export.tap.plugin import TapPleoExport
from tap_pleo_export.target.plugin import TargetPleoExport
from tests.conftest import CHECKOUT
from tests.helpers import guides
from tests.helpers.guides import printed
from tools.docs import reference, tables

TEST_NAME = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_tables_are_rendered_from_the_code(page: Path) -> None:
    # Python's versions break the lines of help texts in different places.
    compared = str.split if page.name == "programs.md" else str
    assert compared(page.read_text("utf-8")) == compared(tables.rendered(page)), "run: python -m tools.docs.tables"


def test_files_for_other_projects_are_rendered_from_meltano_yml() -> None:
    for path, text in tables.files().items():
        assert path.read_text("utf-8") == text, "run: python -m tools.docs.tables"
    assert {path for path in tables.files() if path.parent == tables.PLUGINS} == set(tables.PLUGINS.iterdir())


@pytest.mark.parametrize(
    "name", [name for name, d in tables.definitions(tables.PROJECT).items() if "$" in d["pip_url"]]
)
def test_the_package_may_be_in_a_folder_with_a_space(name: str) -> None:
    url = tables.definitions(tables.PROJECT)[name]["pip_url"]

    # As Meltano reads it: variables first, then words.
    package, *more = shlex.split(url.replace("${PLEO_EXPORT_PACKAGE}", "/srv/my plugins/tap-pleo-export"))

    assert package == "/srv/my plugins/tap-pleo-export"
    assert all("==" in requirement for requirement in more)


@pytest.mark.parametrize(
    ("plugin", "own"), [(TapPleoExport, SETTINGS), (TargetPleoExport, TARGET_SETTINGS)], ids=["tap", "target"]
)
def test_meltano_yml_declares_the_plugin_of_the_code(plugin: type[PleoPlugin], own: dict[str, Any]) -> None:
    plugins = yaml.safe_load((CHECKOUT / "meltano.yml").read_text())["plugins"]
    (block,) = [each for kind in ("extractors", "loaders") for each in plugins[kind] if each["name"] == plugin.name]
    schema: dict[str, Any] = plugin.config_jsonschema
    plugin.append_builtin_config(schema)
    in_code = {name: s for name, s in schema["properties"].items() if not name.startswith("faker")}
    in_project = {setting["name"]: setting for setting in block["settings"]}

    assert set(block["capabilities"]) == {str(capability.value) for capability in plugin.capabilities}
    assert set(in_code) - {"stream_map_config", "stream_maps"} <= set(in_project)
    for name, setting in in_project.items():
        declared = in_code[name]
        types = [kind for kind in declared.get("type", ["object"]) if kind != "null"]
        assert setting["kind"] == types[0], name
        assert bool(setting.get("sensitive")) == bool(declared.get("secret")), name
        if name in own["properties"]:
            assert setting.get("value") == declared.get("default"), name
            assert setting["description"] == declared["description"], name


def test_the_picture_of_the_architecture_shows_every_program() -> None:
    picture = (CHECKOUT / "docs" / "architecture.svg").read_text("utf-8")
    programs = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]

    assert [name for name in programs if f">{name}</text>" not in picture] == []


@pytest.mark.parametrize("file", ["meltano.yml", "image/meltano.yml"])
def test_every_job_into_a_warehouse_validates(file: str) -> None:
    project = yaml.safe_load((CHECKOUT / file).read_text("utf-8"))
    tasks = [task.split() for job in project["jobs"] for task in job["tasks"]]
    loads = [task for task in tasks if "tap-pleo-export" in task and "target-pleo-export" not in task]

    assert len(loads) >= 3
    assert [task for task in loads if "pleo-validate" not in task] == []


@pytest.mark.parametrize("page", ["guarantees.md", "pleo-api-notes.md"])
def test_pages_name_tests_that_exist(page: str) -> None:
    found = TEST_NAME.findall((CHECKOUT / "docs" / page).read_text("utf-8"))

    assert found
    for path, name in found:
        assert f"def {name}(" in (CHECKOUT / path).read_text("utf-8"), f"{path}::{name}"


def test_every_guarantee_names_its_test() -> None:
    lines = (CHECKOUT / "docs" / "guarantees.md").read_text("utf-8").splitlines()
    rows = [row for before, row in itertools.pairwise(lines) if row.startswith("| ") and before[:1] == "|"]
    guarantees = [row for row in rows if not row.startswith("| ---")]

    assert len(guarantees) > 30
    assert [row for row in guarantees if not TEST_NAME.search(row.rpartition(" | ")[2])] == []


def shell_lines() -> Iterator[tuple[str, str]]:
    """Yield page and line of every shell block, without comments; lines that continue are one."""
    for block in itertools.chain.from_iterable(map(guides.blocks, guides.pages())):
        if block.language == "sh":
            for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
                yield block.page, re.sub(r"(^|\s)#.*", "", line).strip()


def test_documented_pipelines_name_plugins_that_exist() -> None:
    project = yaml.safe_load((CHECKOUT / "meltano.yml").read_text("utf-8"))
    plugins = [plugin for kind in project["plugins"].values() for plugin in kind]
    known = {entry["name"] for entry in [*plugins, *project["jobs"]]}
    known |= {mapping["name"] for plugin in plugins for mapping in plugin.get("mappings", ())}
    known |= {f"{plugin['name']}:{command}" for plugin in plugins for command in plugin.get("commands", ())}
    (utility,) = yaml.safe_load(printed("validation.md", "report.yml"))["utilities"]
    known |= {f"{utility['name']}:{command}" for command in utility["commands"]}
    known |= {each["name"] for each in yaml.safe_load(printed("operating.md", "uk.yml"))["extractors"]}
    runs = [(page, found) for page, line in shell_lines() for found in re.findall(r"meltano run ([^|&>]*)", line)]
    named = [(page, word) for page, run in runs for word in run.split() if not re.match(r"-|2$", word)]

    assert len(named) > 30
    assert [(page, word) for page, word in named if word not in known] == []


def test_documented_options_exist() -> None:
    helps = dict(re.findall(r"^## (\S+)\n\n```text\n(.*?)^```", reference.programs(), re.DOTALL | re.MULTILINE))
    used = [
        (page, name, option)
        for page, line in shell_lines()
        for command in re.split(r"[|;&]", line)
        for name in helps
        if re.match(rf"(\w+=\S+ )*(\S*/)?{name} ", command.strip())
        for option in re.findall(r" (--[a-z-]+)", command)
    ]

    assert len(used) > 20
    assert [
        each for each in used if f"{each[2]} " not in f"{helps[each[1]]} ".replace("]", " ").replace("\n", " ")
    ] == []
