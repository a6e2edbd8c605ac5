"""The code blocks of `README.md` and `docs/`, for the tests that run them as printed.

A block's name is the comment before it, such as `<!-- setup.sh -->`, or else the heading above it.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import BIN
from tools.meltano import CHECKOUT, environment_without_settings

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


def shell(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder, without the user's settings."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment_without_settings("PLEO_EXPORT", "PIP_CONSTRAINT")
        | {"NO_PROXY": "127.0.0.1", "XDG_STATE_HOME": str(folder / "state")}
        | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def follow(
    script: str, folder: Path, environment: Mapping[str, str] | None = None, *, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a script that names our executables, until one of its commands fails; check its exit code."""
    path = f"{BIN}:{os.environ['PATH']}"
    done = shell(f"set -eo pipefail\n{script}", folder, **{**(environment or {}), "PATH": path})
    assert done.returncode == code, done.stdout + done.stderr
    return done


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
