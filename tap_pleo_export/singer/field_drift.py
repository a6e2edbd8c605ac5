"""Fields that Pleo sends beyond the declared schema: each new name is reported once, nothing is lost."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tap_pleo_export.text import one_line

# Looking inside costs as much as decoding: every record at first, then a sample.
INSPECTED_AT_FIRST = 1000
INSPECTED_LATER = 32
# Further names are only counted: a member named after an id has a different name in each record.
MAX_NAMED = 50

# Only names matter here: numbers of any size stay text.
_decode_any = msgspec.json.Decoder(float_hook=str).decode


class DriftWatch:
    """Reports members that a stream's schema does not declare, and characters that databases cannot store.

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
            name: (declared, msgspec.json.Decoder(_declared_only(declared)).decode)
            for name, declared in schema["properties"].items()
            if _declared_only(declared) is not Raw
        }
        self._logger = logger
        self._reported: set[str] = set()
        self._next_report = MAX_NAMED + 1
        self._inspected = 0
        self._replaced = 0

    def unknown(self, names: Iterable[str], inside: str = "") -> None:
        """Report new names; if there are very many, their number each time it has doubled."""
        for name in names:
            path = f"{inside}{name}"
            if path in self._reported:
                continue
            self._reported.add(path)
            count = len(self._reported)
            if count <= MAX_NAMED:
                where = "kept in place" if inside else "kept in 'additionalFields'"
                self._logger.warning("%s: Pleo sends a new field '%s', %s", self._stream, one_line(path), where)
            elif count == self._next_report:
                self._next_report *= 2
                self._logger.warning(
                    "%s: Pleo sends %d new fields so far, all are kept; further ones are counted, not named",
                    self._stream,
                    count,
                )

    def replaced(self, count: int) -> None:
        """Count characters replaced because databases cannot store them; see :mod:`tap_pleo_export.text`."""
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
        if not self._nested:
            return
        step = 1 if self._inspected < INSPECTED_AT_FIRST else INSPECTED_LATER
        self._inspected += len(records)
        for record in records[::step]:
            for name, (declared, decode_declared) in self._nested.items():
                value = getattr(record, name)
                if isinstance(value, Raw):
                    self._look_into(value, name, declared, decode_declared)

    def _look_into(
        self, value: Raw, name: str, declared: Mapping[str, Any], decode_declared: Callable[[Raw], object]
    ) -> None:
        try:
            try:
                decode_declared(value)
            except msgspec.ValidationError:
                self._walk(_decoded(value), declared, name)
        except RecursionError:
            # Nested almost too deeply to be read: it arrives, but no name in it is reported.
            return

    def _walk(self, value: object, declared: Mapping[str, Any], path: str) -> None:
        if isinstance(value, dict):
            members = declared.get("properties")
            if not members:
                return
            self.unknown(value.keys() - members.keys(), inside=f"{path}.")
            for name, member in value.items():
                if name in members:
                    self._walk(member, members[name], f"{path}.{name}")
        elif isinstance(value, list):
            for element in value:
                self._walk(element, declared.get("items", {}), f"{path}[]")


def _decoded(value: Raw) -> object:
    try:
        return _decode_any(value)
    except msgspec.ValidationError:
        # An integer of thousands of digits, which Python refuses to read.
        return json.loads(bytes(value), parse_int=str)


def _declared_only(declared: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a type made at run time
    """Return a type that takes the names a schema declares and no others; ``Raw`` if it declares none."""
    if "properties" in declared:
        members = {f"m{number}": member for number, member in enumerate(declared["properties"].items())}
        struct = msgspec.defstruct(
            "Declared",
            [(field, _declared_only(schema) | UnsetType, UNSET) for field, (_, schema) in members.items()],
            rename={field: name for field, (name, _) in members.items()},
            forbid_unknown_fields=True,
            gc=False,
        )
        return struct | None
    if "items" in declared and (element := _declared_only(declared["items"])) is not Raw:
        return list[element] | None  # type: ignore[valid-type]
    return Raw
