"""Render plugin definitions for other Meltano projects from `meltano.yml`: the README's block, and `plugins/*.yml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The checkout's package, replaced by PACKAGE in other projects.
HERE = "-e . -c constraints.txt"
# An extra cannot be requested of a package that may be a path or an address: its dependency is named instead.
HERE_WITH_ATTACHMENTS = "-e .[attachments] -c constraints.txt"
ATTACHMENTS = "obstore==0.12.1"
PACKAGE = "${PLEO_EXPORT_PACKAGE}"
CONSTRAINTS = " -c constraints.txt"
# dbt needs the models: transform/README.md says how other projects install them.
CHECKOUT_ONLY = ("utilities",)
TERSE = ("name", "kind", "value", "sensitive")
WIDE = 10_000


def definitions(project: Path) -> dict[str, dict[str, Any]]:
    """Return each plugin's definition by its name, without paths and files of this checkout."""
    return {plugin["name"]: plugin for _, plugins in _kinds(project) for plugin in plugins}


def definition_file(definition: dict[str, Any]) -> str:
    """Return a file for `meltano add --from-ref`, which takes no mappings."""
    kept = {name: value for name, value in definition.items() if name != "mappings"}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=118)


def image_project(project: Path) -> str:
    """Return the `meltano.yml` of the container image: the same plugins and jobs, without paths of this checkout."""
    content = yaml.safe_load(project.read_text("utf-8"))
    # The checkout's choice of backend does not matter elsewhere.
    kept = {name: value for name, value in content.items() if name not in {"venv", "plugins", "jobs", "schedules"}}
    left_out = {plugin["name"] for kind in CHECKOUT_ONLY for plugin in content["plugins"].get(kind, ())}
    jobs = [job for job in content["jobs"] if not _names(job["tasks"]) & left_out]
    more = {"jobs": jobs, "schedules": content["schedules"]}
    head, tail = (yaml.safe_dump(part, sort_keys=False) for part in (kept, more))
    return f"# Rendered by tools/docs/tables.py.\n{head}{_plugins(project)}\n{tail}"


def block(project: Path) -> str:
    """Return the plugins as a block of `meltano.yml`, a line for each setting."""
    return f"```yaml\n{_plugins(project)}\n```"


def _names(tasks: list[str]) -> set[str]:
    """Return the plugins that the tasks of a job run, without their commands."""
    return {part.partition(":")[0] for task in tasks for part in task.split()}


def _plugins(project: Path) -> str:
    lines = ["plugins:"]
    for kind, plugins in _kinds(project):
        lines.append(f"  {kind}:")
        for plugin in plugins:
            lines += _terse(plugin)
    return "\n".join(lines)


def _kinds(project: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    content = yaml.safe_load(project.read_text("utf-8"))
    for kind, plugins in content["plugins"].items():
        if kind in CHECKOUT_ONLY:
            continue
        yield kind, [plugin | {"pip_url": _elsewhere(plugin["pip_url"])} for plugin in plugins]


def _elsewhere(pip_url: str) -> str:
    if pip_url == HERE_WITH_ATTACHMENTS:
        return f"{PACKAGE} {ATTACHMENTS}"
    return PACKAGE if pip_url == HERE else pip_url.removesuffix(CONSTRAINTS)


def _terse(plugin: dict[str, Any]) -> Iterator[str]:
    """Yield a plugin's lines, without labels and descriptions."""
    start = "  - "
    for name, value in plugin.items():
        if name in {"label", "description"}:
            continue
        if name == "settings":
            yield f"{start}settings:"
            for setting in value:
                yield f"    - {_flow({key: setting[key] for key in TERSE if key in setting})}"
        elif name == "mappings":
            # A block, because users edit it.
            lines = yaml.dump(value, Dumper=_WithoutAnchors, sort_keys=False, width=WIDE).splitlines()
            yield from (f"{start}mappings:", *(f"    {line}" for line in lines))
        else:
            yield f"{start}{name}: {_flow(value)}"
        start = "    "


def _flow(value: object) -> str:
    text = yaml.dump(value, Dumper=_WithoutAnchors, default_flow_style=True, sort_keys=False, width=WIDE)
    return text.removesuffix("...\n").rstrip("\n")


class _WithoutAnchors(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class's signature
        return True
