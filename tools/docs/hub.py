"""Definitions of the plugins as Meltano Hub takes them, `hub/<kind>/<plugin>/<variant>.yml`, made from `meltano.yml`.

Keys and values are limited by https://github.com/meltano/hub/tree/main/schemas, and sorted as its linter wants them.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import yaml

from tap_pleo_export.validation.settings import settings_schema

CHECKOUT = Path(__file__).parents[2]
HUB = CHECKOUT / "hub"
# The Hub names a variant after the owner of the repository.
VARIANT = "tap-pleo-export"
# Meltano's own settings of a plugin, which the Hub does not take, and mappings, which users write.
LEFT_OUT = ("mappings", "use_cached_catalog")
NEXT_STEPS = {
    "map-pleo-validation": "mapping `pleo-validate`: journal and accounts of each company go into its `config`",
    "map-pleo-attachments": "mapping `pleo-attachments`: its `config` may be empty",
}


def definitions(plugins: dict[str, list[dict[str, Any]]], package: str) -> dict[Path, str]:
    """Return the definition files of the plugins that are part of this package.

    Args:
        plugins: Plugins by kind, as in `meltano.yml`; those that are installed from `package` count.
        package: Beginning of their `pip_url`, replaced by the repository's address: nothing is on an index yet.
    """
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    repo = project["urls"]["Homepage"]
    made = {}
    for kind in ("extractors", "mappers", "loaders"):
        for plugin in plugins[kind]:
            if plugin["pip_url"].startswith(package):
                kept = {name: value for name, value in plugin.items() if name not in LEFT_OUT}
                kept |= {"pip_url": kept["pip_url"].replace(package, f"git+{repo}.git"), "repo": repo}
                kept |= _page(kind, plugin["name"], project)
                kept["settings"] = [_setting(plugin["name"], setting) for setting in plugin["settings"]]
                made[HUB / kind / plugin["name"] / f"{VARIANT}.yml"] = yaml.safe_dump(kept, allow_unicode=True)
    return made


def _page(kind: str, name: str, project: dict[str, Any]) -> dict[str, Any]:
    """Return what only the Hub's pages use."""
    page = {
        "variant": VARIANT,
        "docs": project["urls"]["Documentation"],
        "domain_url": "https://www.pleo.io",
        "keywords": ["meltano_sdk", "accounting", "expenses"],
        "logo_url": "/assets/logos/extractors/pleo-export.png",
        "maintenance_status": "beta",
        "quality": "unknown",
    }
    if kind == "mappers":
        return page | {"next_steps": f"Add a {NEXT_STEPS[name]}."}
    pythons = [each.rpartition(" ")[2] for each in project["classifiers"] if "Python :: 3." in each]
    return page | {"supported_python_versions": pythons}


def _setting(plugin: str, setting: dict[str, Any]) -> dict[str, Any]:
    """Return a setting, with the description that the mapper's own schema has."""
    if plugin == "map-pleo-validation":
        return setting | {"description": settings_schema()["properties"][setting["name"]]["description"]}
    return setting
