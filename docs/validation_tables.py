"""Renders the tables of validation.md from the data; run it to write them; a test finds drift."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_pleo_export.validation.references import shipped
from tap_pleo_export.validation.settings import settings_schema

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parent / "validation.md"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def needs_table() -> str:
    """Return the shipped needs table."""
    return table(
        ["when", "needs"],
        [[_when(row["when"]), _needs(row["needs"])] for row in shipped("validation_requirements.json")],
    )


def settings_table() -> str:
    """Return the mapper's settings."""
    rows = []
    for name, declared in settings_schema()["properties"].items():
        default = declared.get("default")
        shown = "" if default in (None, []) else f" Default: `{str(default).lower()}`."
        rows.append([f"`{name}`", declared["description"] + shown])
    return table(["setting", "meaning"], rows)


def members_table() -> str:
    """Return the members that the mapper adds to a record."""
    annotation: dict[str, Any] = shipped("validation_streams.json")["annotation"]
    rows = [[f"`{name}`", declared["description"]] for name, declared in annotation.items()]
    entry = annotation["validationChecks"]["items"]["properties"]
    rows += [[f"`validationChecks[].{name}`", declared["description"]] for name, declared in entry.items()]
    return table(["member", "meaning"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "members": members_table,
    "needs": needs_table,
    "settings": settings_table,
}


def rendered(text: str) -> str:
    """Return a Markdown text with its marked tables rendered anew."""
    for name, render in TABLES.items():
        text = _replaced(text, name, render())
    return text


def _replaced(text: str, name: str, new: str) -> str:
    pattern = rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end -->)"
    text, count = re.subn(pattern, lambda found: f"{found[1]}{new}\n{found[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{PAGE.name} has {count} places for the table '{name}'")
    return text


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
    PAGE.write_text(rendered(PAGE.read_text("utf-8")), "utf-8")
