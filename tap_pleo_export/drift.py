"""What Pleo sends beyond the declared schema: each new name is reported once, nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Mapping

# Looking inside costs more than reading: every record at first, then one in so many.
INSPECTED_AT_FIRST = 1000
INSPECTED_LATER = 32

# Only names matter here: numbers stay text, whatever their size.
_decoder = msgspec.json.Decoder(float_hook=str)


class DriftWatch:
    """Reports members that a stream's schema does not declare, and characters that no database stores.

    Top-level names are found in every record; names inside declared objects in each of the first 1,000 records of a run
    and in one of 32 thereafter.

    Args:
        stream: The stream's name.
        schema: Its JSON Schema.
        logger: Where the warnings go.
    """

    def __init__(self, stream: str, schema: Mapping[str, Any], logger: logging.Logger) -> None:
        self._stream = stream
        self._nested = {
            name: declared
            for name, declared in schema["properties"].items()
            if _members(declared) or "items" in declared
        }
        self._logger = logger
        self._reported: set[str] = set()
        self._inspected = 0
        self._replaced = 0

    def unknown(self, names: Iterable[str], inside: str = "") -> None:
        """Report names that have not been reported yet."""
        for name in names:
            path = f"{inside}{name}"
            if path not in self._reported:
                self._reported.add(path)
                where = "kept in place" if inside else "kept in 'additionalFields'"
                self._logger.warning("%s: Pleo sends a new field '%s', %s", self._stream, path, where)

    def replaced(self, count: int) -> None:
        """Count characters replaced because no database stores them; see :mod:`tap_pleo_export.pleo.text`."""
        if count:
            self._replaced += count
            self._logger.warning(
                "%s: %d character(s) that databases cannot store (NUL or unpaired surrogate) replaced by U+FFFD, "
                "%d in this run",
                self._stream,
                count,
                self._replaced,
            )

    def inspect(self, records: list[Any]) -> None:
        """Look for new names inside the declared objects of a page's records."""
        step = 1 if self._inspected < INSPECTED_AT_FIRST else INSPECTED_LATER
        self._inspected += len(records)
        if not self._nested:
            return
        for record in records[::step]:
            for name, declared in self._nested.items():
                value = getattr(record, name)
                if isinstance(value, Raw):
                    self._walk(_decoder.decode(value), declared, name)

    def _walk(self, value: object, declared: Mapping[str, Any], path: str) -> None:
        if isinstance(value, dict):
            members = _members(declared)
            if not members:
                return
            self.unknown(value.keys() - members.keys(), inside=f"{path}.")
            for name, member in value.items():
                if name in members:
                    self._walk(member, members[name], f"{path}.{name}")
        elif isinstance(value, list):
            for element in value:
                self._walk(element, declared.get("items", {}), f"{path}[]")


def _members(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    members: Mapping[str, Any] = declared.get("properties", {})
    return members
