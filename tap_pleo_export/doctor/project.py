"""The settings of the plugins of a Meltano project in the working directory, as Meltano will pass them on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tap_pleo_export.pleo_plugin.settings import TRUE_TEXTS

MELTANO_FILE = Path("meltano.yml")
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


class ProjectError(Exception):
    """`meltano.yml` cannot be read; the message is one line."""


@dataclass(frozen=True)
class Plugin:
    """A plugin: its settings, those that Meltano ignores because the block does not declare them, its mappings."""

    name: str
    config: dict[str, Any]
    undeclared: tuple[str, ...] = ()
    mappings: dict[str, dict[str, Any]] = field(default_factory=dict)


def meltano_plugins(environment: Mapping[str, str]) -> list[Plugin]:
    """Return the plugins of the project in the working directory; none without a project.

    Raises:
        ProjectError: The file is not YAML, or not a project.
    """
    if not MELTANO_FILE.is_file():
        return []
    try:
        content = yaml.safe_load(MELTANO_FILE.read_text("utf-8"))
        blocks = {block["name"]: block for blocks in content["plugins"].values() for block in blocks}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
        raise ProjectError(f"{MELTANO_FILE.resolve()} is not a Meltano project with plugins") from None
    return [_plugin(name, blocks, environment) for name in blocks]


def _plugin(name: str, blocks: Mapping[str, Any], environment: Mapping[str, str]) -> Plugin:
    chain = [blocks[name]]
    while (parent := chain[-1].get("inherit_from")) in blocks and blocks[parent] not in chain:
        chain.append(blocks[parent])
    config: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    mappings: dict[str, dict[str, Any]] = {}
    variables: dict[str, str] = {}
    for block in reversed(chain):
        for setting in block.get("settings") or ():
            kinds[setting["name"]] = setting.get("kind", "string")
            config |= {setting["name"]: setting["value"]} if "value" in setting else {}
        config |= block.get("config") or {}
        variables |= dict(_variables(block["name"], environment))
        for mapping in block.get("mappings") or ():
            mappings[mapping["name"]] = _expanded(mapping.get("config") or {}, environment)
    config |= {setting: _typed(text, kinds[setting]) for setting, text in variables.items() if setting in kinds}
    undeclared = sorted({*variables, *config} - kinds.keys())
    config = {setting: value for setting, value in config.items() if setting in kinds}
    return Plugin(name, _expanded(config, environment), tuple(undeclared), mappings)


def _variables(name: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    prefix = f"{name.replace('-', '_').upper()}_"
    for variable, text in environment.items():
        # Meltano sets variables with two underscores itself; empty ones count as not set.
        if variable.startswith(prefix) and text and not variable.startswith(f"{prefix}_"):
            yield variable.removeprefix(prefix).lower(), text


def _typed(text: str, kind: str) -> object:
    try:
        match kind:
            case "integer":
                return int(text)
            case "boolean":
                return text.lower() in TRUE_TEXTS
            case "array" | "object":
                return json.loads(text)
    except ValueError:
        pass
    return text


def _expanded(value: Any, environment: Mapping[str, str]) -> Any:  # noqa: ANN401 - YAML
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: environment.get(match[1] or match[2], match[0]), value)
    if isinstance(value, list):
        return [_expanded(part, environment) for part in value]
    if isinstance(value, dict):
        return {name: _expanded(part, environment) for name, part in value.items()}
    return value


def meltano_state_database(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the addresses of Meltano's system database and of its state backend, empty for the defaults."""
    content: dict[str, Any] = {}
    if MELTANO_FILE.is_file():
        content = yaml.safe_load(MELTANO_FILE.read_text("utf-8")) or {}
    database = environment.get("MELTANO_DATABASE_URI") or content.get("database_uri") or ""
    backend = environment.get("MELTANO_STATE_BACKEND_URI") or (content.get("state_backend") or {}).get("uri") or ""
    return str(_expanded(database, os.environ)), str(_expanded(backend, os.environ))
