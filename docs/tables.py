"""Renders README.md's tables from the code; `python docs/tables.py` writes them, a test fails when they drift."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_pleo_export.settings import SETTINGS
from tap_pleo_export.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

README = Path(__file__).parent.parent / "README.md"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def settings_table() -> str:
    """Return the tap's settings: name, type, default, meaning."""
    return table(
        ("setting", "type", "default", "meaning"),
        (
            (f"`{name}`", _type(declared), _default(declared), declared["description"])
            for name, declared in SETTINGS["properties"].items()
        ),
    )


def streams_table() -> str:
    """Return the streams: name, primary key, what they hold."""
    return table(
        ("stream", "primary key", "holds"),
        (
            (f"`{stream.name}`", ", ".join(f"`{key}`" for key in stream.primary_keys), _first_line(stream))
            for stream in STREAMS
        ),
    )


TABLES: dict[str, Callable[[], str]] = {"settings": settings_table, "streams": streams_table}


def rendered(text: str) -> str:
    """Return a Markdown text with its marked tables rendered anew."""
    for name, render in TABLES.items():
        pattern = rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda m, r=render: f"{m[1]}{r()}\n{m[2]}", text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"README.md has {count} places for the table '{name}'")
    return text


def _type(declared: dict[str, Any]) -> str:
    kind = (
        next(kind for kind in declared["type"] if kind != "null")
        if isinstance(declared["type"], list)
        else declared["type"]
    )
    return f"{kind}, secret" if declared.get("secret") else str(kind)


def _default(declared: dict[str, Any]) -> str:
    return f"`{json.dumps(declared['default'])}`" if "default" in declared else ""


def _first_line(documented: type) -> str:
    return re.sub(r"``", "`", (documented.__doc__ or "").partition("\n")[0])


if __name__ == "__main__":
    README.write_text(rendered(README.read_text()))
