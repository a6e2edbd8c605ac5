"""Checks a catalog for what the SDK and this tap need."""

from __future__ import annotations

from typing import Any

from tap_pleo_export.singer.schema_errors import violations

MAX_LENGTH = 300
_NO_KEY = {"type": "null", "x-error": "no stream has a replication key: progress is kept by job and page"}
_METHOD = {"enum": ["FULL_TABLE", None], "x-error": "FULL_TABLE is the only replication method"}
_METADATA = {
    "type": "object",
    "required": ["breadcrumb", "metadata"],
    "properties": {
        "breadcrumb": {"type": "array", "items": {"type": "string"}},
        "metadata": {
            "type": "object",
            "properties": {"replication-key": _NO_KEY, "forced-replication-method": _METHOD},
        },
    },
}
_ENTRY = {
    "type": "object",
    "required": ["tap_stream_id"],
    "properties": {
        "tap_stream_id": {"type": "string"},
        "schema": {"type": "object"},
        "metadata": {"type": "array", "items": _METADATA},
        "key_properties": {"type": ["array", "null"], "items": {"type": "string"}},
        "replication_key": _NO_KEY,
        "replication_method": _METHOD,
    },
}
_CATALOG = {"required": ["streams"], "properties": {"streams": {"type": "array", "items": _ENTRY}}}


def catalog_problem(catalog: dict[str, Any]) -> str | None:
    """Return the first problem of a Singer catalog in one line that begins with its place, or None."""
    found = violations(_CATALOG, catalog)
    return str(found[0])[:MAX_LENGTH] if found else None
