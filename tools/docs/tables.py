"""Render the documents' tables from the code: `python -m tools.docs.tables`; a test fails when they drift."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_pleo_export.pleo_plugin.settings import ATTACHMENT_SETTINGS, SETTINGS, TARGET_SETTINGS
from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.tap.streams import STREAMS
from tap_pleo_export.validation.settings import settings_schema
from tools.docs import plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

DOCS = Path(__file__).parents[2] / "docs"
PROJECT = DOCS.parent / "meltano.yml"
PLUGINS = DOCS.parent / "plugins"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def tap_settings() -> str:
    """Return the tap's settings: name, type, default, meaning."""
    return _settings(SETTINGS["properties"])


def target_settings() -> str:
    """Return the target's settings, without those that it shares with the tap."""
    return _settings(
        {name: d for name, d in TARGET_SETTINGS["properties"].items() if d != SETTINGS["properties"].get(name)}
    )


def report_members() -> str:
    """Return the members of the target's streams."""
    rows = []
    for stream, declared in shipped("report_streams.json").items():
        required = declared.get("required", ())
        for name, member in declared.get("properties", {}).items():
            allowed = ", ".join(f"`{value}`" for value in member.get("enum", ()))
            meaning = member["description"] + (
                f" One of {allowed}." if allowed and name not in ("status", "event") else ""
            )
            rows.append((f"`{stream}`", f"`{name}`" + (" (required)" if name in required else ""), meaning))
    return table(("stream", "member", "meaning"), rows)


def streams() -> str:
    """Return the streams: name, primary key, content."""
    rows = []
    for stream in STREAMS:
        declared = vars(stream)
        keys = ", ".join(f"`{key}`" for key in declared["primary_keys"])
        rows.append((f"`{declared['name']}`", keys, _first_line(stream)))
    return table(("stream", "primary key", "holds"), rows)


def needs() -> str:
    """Return the shipped needs table."""
    rows = shipped("validation_requirements.json")
    return table(("when", "needs"), ((_when(row["when"]), _needs(row["needs"])) for row in rows))


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
    rows = [(f"`{name}`", declared["description"]) for name, declared in annotation.items()]
    entry = annotation["validationChecks"]["items"]["properties"]
    rows += [(f"`validationChecks[].{name}`", declared["description"]) for name, declared in entry.items()]
    places = annotation["posting"]["properties"]
    rows += [(f"`posting.{name}`", declared["description"]) for name, declared in places.items()]
    return table(("member", "meaning"), rows)


def attachment_settings() -> str:
    """Return the settings of the mapper of attachments."""
    return _settings(ATTACHMENT_SETTINGS["properties"])


def attachment_members() -> str:
    """Return the members that a file gains."""
    declared = shipped("attachment_members.json")
    return table(("member", "meaning"), ((f"`{name}`", member["description"]) for name, member in declared.items()))


def meltano_block() -> str:
    """Return the plugins as a block of `meltano.yml`."""
    return plugins.block(PROJECT)


def files() -> dict[Path, str]:
    """Return the files rendered from `meltano.yml`: the image's, and one per plugin for `meltano add --from-ref`."""
    made = {
        PLUGINS / f"{name}.yml": plugins.definition_file(definition)
        for name, definition in plugins.definitions(PROJECT).items()
    }
    return made | {DOCS.parent / "image" / "meltano.yml": plugins.image_project(PROJECT)}


PAGES: dict[Path, dict[str, Callable[[], str]]] = {
    DOCS.parent / "README.md": {
        "meltano": meltano_block,
        "streams": streams,
        "settings": tap_settings,
        "needs": needs,
        "target settings": target_settings,
    },
    DOCS / "receipts.md": {"members": attachment_members, "settings": attachment_settings},
    DOCS / "workflow.md": {"members": report_members},
    DOCS / "validation.md": {"members": members, "settings": mapper_settings, "needs": needs},
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


def _type(declared: dict[str, Any]) -> str:
    types = declared["type"]
    kind = next(kind for kind in types if kind != "null") if isinstance(types, list) else types
    return f"{kind}, secret" if declared.get("secret") else str(kind)


def _default(declared: dict[str, Any]) -> str:
    return f"`{json.dumps(declared['default'])}`" if "default" in declared else ""


def _first_line(documented: type) -> str:
    return (documented.__doc__ or "").partition("\n")[0].replace("``", "`")


def _when(when: dict[str, Any]) -> str:
    parts = [f"recorded as `{when['method']}`"] if "method" in when else []
    parts += [", ".join(f"`{type_}`" for type_ in when["types"])] if "types" in when else []
    return " and ".join(parts) or "anything else"


def _needs(needs: list[str | list[str]]) -> str:
    return (
        ", ".join(" or ".join(f"`{role}`" for role in ([need] if isinstance(need, str) else need)) for need in needs)
        or "nothing"
    )


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(rendered(path), "utf-8")
    PLUGINS.mkdir(exist_ok=True)
    for path, text in files().items():
        path.write_text(text, "utf-8")
