"""Cursor and offset pagination as in Pleo's reference: ``after``/``before`` a cursor, or ``offset``; ``limit``."""

from __future__ import annotations

import binascii
from base64 import b32decode, b32encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from zlib import crc32

from sandbox.conformance import validator
from sandbox.problems import undocumented

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.datastructures import MultiDict

    from sandbox.behaviour import Behaviour

Row = TypeVar("Row")
PAGE_PARAMETERS = frozenset({"after", "before", "offset", "limit", "sorting_keys", "sorting_order"})


class Cursor(NamedTuple):
    """A position in one listing: the row number ``row``, seen at the end (or start) of page ``page``."""

    row: int
    page: int

    def encode(self, listing: str) -> str:
        """Return it as opaque text of ``A-Z2-7=~``."""
        return "~".join(b32encode(str(part).encode()).decode() for part in (_tag(listing), *self))

    @classmethod
    def decode(cls, text: str, listing: str) -> Cursor:
        """Read a cursor of ``listing``.

        Raises:
            Problem: 400, it is no cursor or one of another listing.
        """
        try:
            tag, position = cls.read(text)
        except (binascii.Error, ValueError):
            raise undocumented(400, "Malformed cursor.") from None
        if tag != _tag(listing):
            raise undocumented(400, "The cursor belongs to another listing.")
        return position

    @classmethod
    def read(cls, text: str) -> tuple[int, Cursor]:
        """Read a cursor of any listing, and return the listing's tag and the position.

        Raises:
            ValueError: It is no cursor.
        """
        tag, row, page = (int(b32decode(part)) for part in text.split("~"))
        return tag, cls(row, page)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows of one page and its ``CursorPageInfo``."""

    rows: Sequence[Row]
    info: dict[str, Any]


def _tag(listing: str) -> int:
    return crc32(listing.encode())


def _whole_number(args: MultiDict[str, str], name: str) -> int | None:
    text = args.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise undocumented(400, f"{name} must be a whole number of at least 0.")
    return int(text)


def _limit(args: MultiDict[str, str], rules: Behaviour) -> int:
    limit = _whole_number(args, "limit")
    if limit is None:
        return rules.default_limit
    if limit > rules.max_limit and rules.max_limit_policy == "refuse":
        raise undocumented(400, f"limit must be at most {rules.max_limit}.")
    return min(limit, rules.max_limit)


def _check(args: MultiDict[str, str], rules: Behaviour) -> None:
    if sum(name in args for name in ("after", "before", "offset")) > 1:
        raise undocumented(400, "after, before and offset exclude each other.")
    if rules.reject_cursors and "after" in args:
        raise undocumented(400, "The cursor is no longer valid.")
    orders = args.getlist("sorting_order")
    if len(orders) != len(args.getlist("sorting_keys")):
        raise undocumented(400, "sorting_keys and sorting_order differ in length.")
    if not all(validator("PageOrder").is_valid(order) for order in orders):
        raise undocumented(400, "Unknown sorting_order.")
    if orders:
        # Pleo documents no key that it sorts by.
        raise undocumented(400, "Unknown sorting key.")


def paginate(
    rows: Sequence[Row],
    args: MultiDict[str, str],
    rules: Behaviour,
    listing: str,
    empty_at: frozenset[int] | set[int] = frozenset(),
) -> Page[Row]:
    """Cut the requested page.

    Args:
        rows: All rows of the listing.
        args: Query parameters of the request.
        rules: Page sizes and oddities.
        listing: Identity of the listing; its cursors are refused elsewhere.
        empty_at: Page numbers at which a walk by ``after`` meets an empty page.

    Raises:
        Problem: 400, the page parameters contradict each other or are malformed.
    """
    _check(args, rules)
    limit = _limit(args, rules)
    after, before = args.get("after"), args.get("before")
    start, stop, number, waits = 0, limit, 1, False
    if after is not None:
        cursor = Cursor.decode(after, listing)
        start, number = cursor.row + 1, cursor.page + 1
        stop = start + limit
    elif before is not None:
        cursor = Cursor.decode(before, listing)
        start, stop, number = max(0, cursor.row - limit), max(0, cursor.row), max(1, cursor.page - 1)
    elif (offset := _whole_number(args, "offset")) is not None:
        start, stop, number = offset, offset + limit, offset // max(limit, 1) + 1
    if "offset" not in args and before is None and number in empty_at:
        stop, waits = start, start < len(rows)
    found = rows[start:stop]
    more = stop < len(rows) or waits
    info: dict[str, Any] = {
        "currentRequestPagination": _echo(args, limit),
        "hasNextPage": more,
        "hasPreviousPage": start > 0 and bool(rows),
    }
    if found:
        info["startCursor"] = Cursor(start, number).encode(listing)
    if (found and (more or not rules.omit_last_cursor)) or waits:
        info["endCursor"] = Cursor(start + len(found) - 1, number).encode(listing)
    if rules.loop_cursor and after is not None:
        info |= {"endCursor": after, "hasNextPage": True}
    if rules.send_total:
        info["total"] = len(rows)
    return Page(found, info)


def _echo(args: MultiDict[str, str], limit: int) -> dict[str, Any]:
    given = args.to_dict(flat=False)
    echo: dict[str, Any] = {
        "parameters": {name: values for name, values in given.items() if name not in PAGE_PARAMETERS},
        "limit": limit,
        "sortingKeys": given.get("sorting_keys", []),
        "sortingOrder": given.get("sorting_order", []),
    }
    echo |= {name: args[name] for name in ("after", "before") if name in args}
    if "offset" in args:
        echo["offset"] = int(args["offset"])
    return echo
