"""The code blocks of `README.md` and `docs/`, for the tests that run them as printed.

A block's name is the comment before it, such as `<!-- setup.sh -->`, or else the heading above it.
"""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from tools.meltano import CHECKOUT

DOCS = CHECKOUT / "docs"
LANGUAGES = frozenset(("sh", "sql", "yaml", "toml", "python", "json"))
"""Of blocks that must be run; other blocks are pictures, output, or the examples of checks."""
_PART = re.compile(r"^#+ ([^\n]*)$|^ *<!-- ([^\n]*) -->$|^ *```(\S*)([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        page: Path of its page, relative to `docs`.
        name: See above.
        language: What follows the fence; with a purpose after it, the whole text.
        text: The block without indentation.
    """

    page: str
    name: str
    language: str
    text: str


def pages() -> list[str]:
    """Return the paths of all pages, relative to `docs`."""
    return ["../README.md", *sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))]


@functools.cache
def blocks(page: str) -> tuple[Block, ...]:
    """Return the blocks of a page."""
    return tuple(_blocks(page, (DOCS / page).read_text("utf-8")))


def _blocks(page: str, text: str) -> Iterator[Block]:
    heading, comment, end = "", "", 0
    for part in _PART.finditer(text):
        title, named, language, purpose, body = part.groups()
        if title is not None:
            heading = title
        if body is not None:
            is_named = comment and text[end : part.start()] == "\n"
            yield Block(page, comment if is_named else heading, language + purpose, textwrap.dedent(body))
        comment, end = named or "", part.end()


def printed(page: str, name: str) -> str:
    """Return the block of a name."""
    (found,) = [block.text for block in blocks(page) if block.name == name and block.language in LANGUAGES]
    return found


def all_printed(page: str, language: str) -> list[str]:
    """Return all blocks of a language."""
    found = [block.text for block in blocks(page) if block.language == language]
    assert found
    return found


def read_by_tests() -> set[tuple[str, str, str]]:
    """Return reader, page, and name or language of each block that the tests read by the two functions above."""
    calls = (
        node
        for path in (CHECKOUT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 2
    )
    return {
        (call.func.id, *(ast.literal_eval(argument) for argument in call.args))
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id in {"printed", "all_printed"}
        and all(isinstance(argument, ast.Constant) for argument in call.args)
    }
