"""Render from the code the documents' tables, `plugins/*.yml`, `image/meltano.yml` and `hub/`; a test compares them.

Run `python -m tools.docs.tables`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tap_pleo_export.pleo_plugin.settings import ATTACHMENT_SETTINGS, SETTINGS, TARGET_SETTINGS
from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.tap.streams import STREAMS
from tap_pleo_export.validation.settings import settings_schema
from tools.docs import hub, messages, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

DOCS = Path(__file__).parents[2] / "docs"
PROJECT = DOCS.parent / "meltano.yml"
PLUGINS = DOCS.parent / "plugins"
# The checkout's package, replaced by PACKAGE in other projects.
HERE = "-e . -c constraints.txt"
# An extra cannot be requested of a package that may be a path or an address: its dependency is named instead.
HERE_WITH_ATTACHMENTS = "-e .[attachments] -c constraints.txt"
ATTACHMENTS = "obstore==0.12.1"
# In quotes: its path may have a space.
PACKAGE = '"${PLEO_EXPORT_PACKAGE}"'
CONSTRAINTS = " -c constraints.txt"
# dbt needs the models: transform/README.md says how other projects install them.
CHECKOUT_ONLY = ("utilities",)
TERSE = ("name", "kind", "value", "sensitive")
WIDE = 10_000


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def report_members() -> str:
    """Return the members of the target's streams."""
    rows = []
    for stream, declared in shipped("report_streams.json").items():
        required = declared.get("required", ())
        for name, member in declared.get("properties", {}).items():
            allowed = ", ".join(f"`{value}`" for value in member.get("enum", ()))
            values = f" One of {allowed}." if allowed and name not in {"status", "event"} else ""
            shown = f"`{name}`" + (" (required)" if name in required else "")
            rows.append((f"`{stream}`", shown, member["description"] + values))
    return table(("stream", "member", "meaning"), rows)


def streams() -> str:
    """Return the streams: name, primary key, content."""
    rows = []
    for stream in STREAMS:
        declared = vars(stream)
        keys = ", ".join(f"`{key}`" for key in declared["primary_keys"])
        rows.append((f"`{declared['name']}`", keys, _first_line(stream)))
    return table(("stream", "primary key", "records"), rows)


BASES = {
    "documented": "documented",
    "wallet_documented": "the wallet’s side is documented",
    "meaning_documented": "the meaning is documented, the accounts are not",
    "double_entry": "follows by double entry",
    "assumption": "**assumption**",
}


def booking() -> str:
    """Return the shipped booking table."""
    head = ("recorded as", "type", "subtype", "document", "debit", "credit", "way", "basis")
    return table(head, (cells for row in shipped("booking.json") for cells in _booking_row(row)))


def _booking_row(row: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    when = row["when"]
    names = ["none" if name is None else f"`{name}`" for name in when["subTypes"]]
    items = (
        f"`{when['method']}`" if "method" in when else "any",
        ", ".join(f"`{type_}`" for type_ in when["types"]),
        ", ".join(names),
    )
    for voucher in row["vouchers"]:
        sides = (_roles(voucher["debit"]), _roles(voucher["credit"]))
        yield (*items, f"`{voucher['document']}`", *sides, row["way"], BASES[voucher["basis"]])
        items = ("", "", "")


def mapper_settings() -> str:
    """Return the mapper's settings."""
    rows = []
    for name, declared in settings_schema()["properties"].items():
        default = declared.get("default")
        shown = "" if default in (None, []) else f" Default: `{str(default).lower()}`."
        rows.append((f"`{name}`", declared["description"] + shown))
    return table(("setting", "meaning"), rows)


def members() -> str:
    """Return the members that the mapper adds to a record."""
    annotation: dict[str, Any] = shipped("validation_streams.json")["annotation"]
    checks = annotation["validationChecks"]["items"]["properties"]
    found = annotation | {f"validationChecks[].{name}": declared for name, declared in checks.items()}
    posting = annotation["posting"]["properties"]
    found |= {f"posting.{name}": declared for name, declared in posting.items()}
    vouchers = posting["vouchers"]["items"]["properties"]
    found |= {f"posting.vouchers[].{name}": declared for name, declared in vouchers.items()}
    legs = vouchers["debit"]["properties"]
    return _members(found | {f"posting.vouchers[].debit.{name}": declared for name, declared in legs.items()})


def errors() -> str:
    """Return the errors without a row by hand: each states its remedy."""
    page = (DOCS / "messages.md").read_text("utf-8")
    return table(("line", "program"), messages.without_row(page))


def files() -> dict[Path, str]:
    """Return the files rendered from `meltano.yml`: the image's, and those for `meltano add --from-ref` and the Hub."""
    made = {PLUGINS / f"{name}.yml": definition_file(definition) for name, definition in definitions(PROJECT).items()}
    made[DOCS.parent / "image" / "meltano.yml"] = image_project(PROJECT)
    return made | hub.definitions(dict(_kinds(PROJECT)), PACKAGE)


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


OWN_TARGET_SETTINGS = {
    name: d for name, d in TARGET_SETTINGS["properties"].items() if d != SETTINGS["properties"].get(name)
}
PAGES: dict[Path, dict[str, Callable[[], str]]] = {
    DOCS / "meltano.md": {"meltano": lambda: block(PROJECT)},
    DOCS / "streams.md": {"streams": streams},
    DOCS / "settings.md": {
        "settings": lambda: _settings(SETTINGS["properties"]),
        "target settings": lambda: _settings(OWN_TARGET_SETTINGS),
    },
    DOCS / "receipts.md": {
        "members": lambda: _members(shipped("attachment_members.json")),
        "settings": lambda: _settings(ATTACHMENT_SETTINGS["properties"]),
    },
    DOCS / "workflow.md": {"members": report_members},
    DOCS / "validation.md": {
        "members": members,
        "settings": mapper_settings,
        "booking": booking,
        "checks": lambda: table(("check", "severity", "runs", "members that it reads"), reference.checks()),
    },
    DOCS / "messages.md": {"errors": errors},
    DOCS / "models.md": {"models": reference.models},
    DOCS / "state.md": {"state": reference.state},
    DOCS / "programs.md": {"programs": reference.programs},
}


def rendered(page: Path) -> str:
    """Return a page with its marked tables rendered again."""
    text = page.read_text("utf-8")
    for name, render in PAGES[page].items():
        pattern = rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end -->)"
        new = render().replace("\\", r"\\")
        text, count = re.subn(pattern, rf"\g<1>{new}\n\g<2>", text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"{page.name} has {count} places for the table '{name}'")
    return text


def _settings(declared: dict[str, dict[str, Any]]) -> str:
    return table(
        ("setting", "type", "default", "meaning"),
        (
            (f"`{name}`", _type(setting), _default(setting), setting["description"])
            for name, setting in declared.items()
        ),
    )


def _members(declared: dict[str, dict[str, Any]]) -> str:
    return table(("member", "meaning"), ((f"`{name}`", member["description"]) for name, member in declared.items()))


def _type(declared: dict[str, Any]) -> str:
    types = declared["type"]
    kind = next(kind for kind in types if kind != "null") if isinstance(types, list) else types
    return f"{kind}, secret" if declared.get("secret") else str(kind)


def _default(declared: dict[str, Any]) -> str:
    return f"`{json.dumps(declared['default'])}`" if "default" in declared else ""


def _first_line(documented: type) -> str:
    return (documented.__doc__ or "").partition("\n")[0].replace("``", "`")


def _roles(side: str | list[str]) -> str:
    return ", else ".join(f"`{role}`" for role in ([side] if isinstance(side, str) else side))


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


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(rendered(path), "utf-8")
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
