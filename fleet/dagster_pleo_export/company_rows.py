"""Rows of a table of companies, as database drivers give them. No I/O."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

# A BINARY(16) column of a company_id.
UUID_BYTES = 16
BOOLEANS: dict[str, bool | None] = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
    "": None,
}


def from_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a database as an entry of the file: drivers have UUID, numeric, CHAR, BIT and JSON types."""
    entry: dict[str, Any] = {name: _plain(value) for name, value in row.items() if value is not None}
    if isinstance(entry.get("company_id"), bytes) and len(entry["company_id"]) == UUID_BYTES:
        entry["company_id"] = UUID(bytes=entry["company_id"])
    for name in entry.keys() & {"id", "company_id", "credential"}:
        entry[name] = _text(entry[name])
    if "report" in entry:
        entry["report"] = _boolean(entry["report"])
    if isinstance(entry.get("settings"), (str, bytes)):
        try:
            entry["settings"] = json.loads(entry["settings"].strip() or "{}")
        except (ValueError, RecursionError):
            entry["settings"] = "not JSON"
    return {name: value for name, value in entry.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    # Comparing some of them raises.
    return str(value) if isinstance(value, Decimal) and not value.is_finite() else value


def _text(value: object) -> object:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, (str, int, Decimal, UUID)) and not isinstance(value, bool):
        try:
            # CHAR columns come with blanks; some databases store null as an empty text.
            return str(value).strip() or None
        except ValueError:
            return "a number of thousands of digits"
    return value


def _boolean(value: object) -> object:
    # BIT columns of MySQL come as a byte.
    if value in (0, 1, b"\0", b"\1"):
        return value in (1, b"\1")
    return BOOLEANS.get(value.strip().lower(), value) if isinstance(value, str) else value
