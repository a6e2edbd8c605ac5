"""The files that Meltano and pip read: valid by their owners' rules, complete, and without an index's address."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import yaml
from jsonschema.validators import validator_for

from tools.meltano import CHECKOUT


def test_meltano_yml_satisfies_meltanos_own_schema() -> None:
    package = find_spec("meltano")
    assert package is not None
    assert package.submodule_search_locations
    schema = json.loads((Path(package.submodule_search_locations[0]) / "schemas/meltano.schema.json").read_bytes())
    project = yaml.safe_load((CHECKOUT / "meltano.yml").read_bytes())
    errors = validator_for(schema)(schema).iter_errors(project)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_every_plugin_has_a_namespace_so_that_the_hub_is_never_asked() -> None:
    plugins = yaml.safe_load((CHECKOUT / "meltano.yml").read_bytes())["plugins"]
    assert [plugin["name"] for kind in plugins.values() for plugin in kind if not plugin.get("namespace")] == []


def test_env_example_has_every_setting_of_the_tap_and_only_declared_ones() -> None:
    plugins = yaml.safe_load((CHECKOUT / "meltano.yml").read_bytes())["plugins"]
    declared = {
        f"{plugin['namespace']}_{setting['name']}".upper()
        for kind in plugins.values()
        for plugin in kind
        for setting in plugin["settings"]
    }
    shown = re.findall(r"^# ([A-Z_]+)=", (CHECKOUT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(shown) <= declared
    assert {name for name in declared if name.startswith("TAP_")} <= set(shown)
    assert len(shown) == len(set(shown))


def test_constraints_are_names_and_versions_only() -> None:
    lines = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9._-]+==[0-9][0-9a-z.+]*", line)] == []
    assert len(lines) > 50
