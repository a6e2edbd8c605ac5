"""Hooks of mkdocs: links out of `docs/` lead to the repository, and pages load nothing from other hosts."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

LOG = logging.getLogger("mkdocs.hooks")
DOCS = Path(__file__).parents[2] / "docs"
_LOADED = re.compile(r"""<(?:script|img|link rel="stylesheet")[^>]* (?:src|href)="(https?:[^"]+)""")
_LINK = re.compile(r"(?<=\]\()([^)#:\s]+)(?=[)#])")
# A word after the language, by which tests find a block.
_ROLE = re.compile(r"^(```\w+) \w+$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Any, config: Any, **_: object) -> str:  # noqa: ANN401 - mkdocs is installed elsewhere
    """Return a page's Markdown with its links out of `docs/` as addresses; a warning ends a strict build."""
    folder = (DOCS / page.file.src_uri).parent

    def address(match: re.Match[str]) -> str:
        target = (folder / match[1]).resolve()
        if not target.exists():
            LOG.warning("%s links to %s, which does not exist", page.file.src_uri, match[1])
        if target.is_relative_to(DOCS):
            return match[1]
        kind = "tree" if target.is_dir() else "blob"
        return f"{config.repo_url}/{kind}/main/{target.relative_to(DOCS.parent)}"

    return _ROLE.sub(r"\1", _LINK.sub(address, markdown))


def on_post_page(output: str, page: Any, **_: object) -> str:  # noqa: ANN401 - mkdocs is installed elsewhere
    """Return a page as it is; a script, picture or style from another host is a warning, which ends a strict build."""
    for address in _LOADED.findall(output):
        LOG.warning("%s loads %s: put the file into docs/assets", page.file.src_uri, address)
    return output
