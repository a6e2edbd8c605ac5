"""Pages nested more deeply than Python can read: the rows concerned are found, so that the others can be read."""

from __future__ import annotations

import re

DEEPEST = 800
"""Levels that are kept; Python 3.11 reads about 950, later versions more."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[][{},]', re.DOTALL)


def cut(body: bytes) -> tuple[bytes, set[int]]:
    """Put null in the place of everything nested more deeply than :data:`DEEPEST`.

    Args:
        body: A page of the Export API (``{"data": [...], "pagination": {...}}``).

    Returns:
        The body so cut, and the positions in ``data``, from 0, of the rows that were cut. What is no JSON stays none.
    """
    pieces: list[bytes] = []
    rows: set[int] = set()
    kept = depth = row = 0
    name = member = b""
    for match in _TOKEN.finditer(body):
        match match[0]:
            case b"[" | b"{":
                depth += 1
                if depth == 2:  # noqa: PLR2004 - a member of the page: `data`, `pagination`
                    member, row = name, 0
                elif depth == DEEPEST + 1:
                    pieces += body[kept : match.start()], b"null"
                    if member == b'"data"':
                        rows.add(row)
            case b"]" | b"}":
                if depth == DEEPEST + 1:
                    kept = match.end()
                depth -= 1
            case b",":
                row += depth == 2  # noqa: PLR2004 - between two rows
            case text if depth == 1:
                name = text
    return b"".join((*pieces, body[kept:])), rows
