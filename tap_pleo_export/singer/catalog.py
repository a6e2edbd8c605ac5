"""What a catalog must be for the SDK to read it, and for this tap to do what it says. Pure."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft7Validator

LONGEST = 300
_NO_KEY = {"type": "null", "description": "no stream has a replication key: progress is kept by job and page"}
_METHOD = {"enum": ["FULL_TABLE", None], "description": "FULL_TABLE is the only replication method"}
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
    """Return what is first wrong with a Singer catalog, in a line that begins with its place, or None."""
    error = next(Draft7Validator(_CATALOG).iter_errors(catalog), None)
    if error is None:
        return None
    message: str = error.schema.get("description", error.message)
    place = "".join(f"/{part}" for part in error.absolute_path)
    return f"{place or '/'}: {message}"[:LONGEST]
