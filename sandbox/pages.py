"""Cursor and offset pagination as in Pleo's reference: ``after`` a cursor, or ``offset``; ``limit``."""

from __future__ import annotations

from base64 import b32decode, b32encode
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from sandbox.problems import undocumented

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.datastructures import MultiDict

    from sandbox.behaviour import Behaviour

PAGE_PARAMETERS = frozenset({"after", "offset", "limit"})
DEFAULT_LIMIT = 50


class Cursor(NamedTuple):
    """A position in one listing: row number ``row``, at the end of page ``page``."""

    row: int
    page: int

    def encode(self, listing: str) -> str:
        """Return the cursor as opaque text of ``A-Z2-7=~``."""
        return "~".join(b32encode(str(part).encode()).decode() for part in (_tag(listing), *self))

    @classmethod
    def decode(cls, text: str, listing: str) -> Cursor:
        """Read a cursor of ``listing``."""
        try:
            tag, row, page = (int(b32decode(part)) for part in text.split("~"))
        except ValueError:
            raise undocumented(400, "Malformed cursor.") from None
        if tag != _tag(listing):
            raise undocumented(400, "The cursor belongs to another listing.")
        return cls(row, page)


class Page(NamedTuple):
    """Rows of one page and its ``CursorPageInfo``."""

    rows: Sequence[Any]
    info: dict[str, Any]


def _tag(listing: str) -> int:
    return crc32(listing.encode())


def _whole_number(args: MultiDict[str, str], name: str, default: int) -> int:
    text = args.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise undocumented(400, f"{name} must be a whole number of at least 0.")
    return int(text)


def _limit(args: MultiDict[str, str], rules: Behaviour) -> int:
    limit = _whole_number(args, "limit", DEFAULT_LIMIT)
    if limit > rules.max_limit and rules.max_limit_policy == "refuse":
        raise undocumented(400, f"limit must be at most {rules.max_limit}.")
    return min(limit, rules.max_limit)


def paginate(
    rows: Sequence[Any],
    args: MultiDict[str, str],
    rules: Behaviour,
    listing: str,
    empty_at: frozenset[int] | set[int] = frozenset(),
) -> Page:
    """Return the requested page.

    Cursors are refused in another ``listing``. A walk by ``after`` meets an empty page at the numbers ``empty_at``.
    """
    if "after" in args and "offset" in args:
        raise undocumented(400, "after and offset exclude each other.")
    if rules.reject_cursors and "after" in args:
        raise undocumented(400, "The cursor is no longer valid.")
    limit = _limit(args, rules)
    start, number = _whole_number(args, "offset", 0), 1
    if (after := args.get("after")) is not None:
        cursor = Cursor.decode(after, listing)
        start, number = cursor.row + 1, cursor.page + 1
    empty = "offset" not in args and number in empty_at
    found = rows[start : start if empty else start + limit]
    waits = empty and start < len(rows)
    more = waits or start + len(found) < len(rows)
    info: dict[str, Any] = {
        "currentRequestPagination": _echo(args, limit),
        "hasNextPage": more,
        "hasPreviousPage": start > 0 and bool(rows),
    }
    if found:
        info["startCursor"] = Cursor(start, number).encode(listing)
    if waits or (found and (more or not rules.omit_last_cursor)):
        info["endCursor"] = Cursor(start + len(found) - 1, number).encode(listing)
    if rules.loop_cursor and after is not None:
        info |= {"endCursor": after, "hasNextPage": True}
    if rules.send_total:
        info["total"] = len(rows)
    return Page(found, info)


def _echo(args: MultiDict[str, str], limit: int) -> dict[str, Any]:
    given = args.to_dict(flat=False)
    parameters = {name: values for name, values in given.items() if name not in PAGE_PARAMETERS}
    echo: dict[str, Any] = {"parameters": parameters, "limit": limit, "sortingKeys": [], "sortingOrder": []}
    echo |= {"after": args["after"]} if "after" in args else {}
    return echo | ({"offset": int(args["offset"])} if "offset" in args else {})
