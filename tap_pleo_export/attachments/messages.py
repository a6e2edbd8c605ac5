"""Files of `export_items`: read from a record, and extended with new members; every other byte stays unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tap_pleo_export.singer.exact_json import Json, Members, decode, elements, encode, join, members
from tap_pleo_export.singer.message_reader import InputError
from tap_pleo_export.singer.schema_files import shipped

ITEMS = "export_items"
READ = ("companyId", "accountingEntryId", "files")


ADDED: dict[str, dict[str, Any]] = shipped("attachment_members.json")
"""Schemas of the members added to a file, by name."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as a record describes it: any JSON values, none of them trusted. `position` counts from 1 in its item."""

    company_id: object
    accounting_entry_id: object
    position: int
    link: object
    type: object
    size: object


class Item:
    """A record with `files` that are objects; nulls among them are left unchanged. `name` is its id, any JSON value."""

    def __init__(self, line: bytes, message: Members, record: Members) -> None:
        self._line = line
        self._message = message
        self._record = record
        self._entries = [_entry(element) for element in elements(record["files"])]
        company, self.name = (_value(record.get(name)) for name in READ[:2])
        self.files = [
            File(company, self.name, position, *(_value(entry.get(name)) for name in ("url", "type", "size")))
            for position, entry in enumerate(self._entries, 1)
            if isinstance(entry, dict)
        ]

    def line(self, outcomes: Sequence[Mapping[str, object]], *, keep_urls: bool) -> bytes:
        """Return the record's line with the members to add to each of :attr:`files`."""
        following = iter(outcomes)
        entries = [
            bytes(entry) if not isinstance(entry, dict) else _outcome(entry, next(following), keep_urls=keep_urls)
            for entry in self._entries
        ]
        record = bytes(self._message["record"])
        files = b"[" + b",".join(entries) + b"]"
        changed = _replaced(record, self._record, "files", files)
        return _replaced(self._line, self._message, "record", changed)


def item(line: bytes, message: Members) -> Item | None:
    """Return a record with files, or None if it has none.

    Raises:
        InputError: The message is not a valid RECORD.
    """
    try:
        record = members(message["record"])
        if bytes(record.get("files", b"null"))[:1] != b"[":
            return None
        found = Item(line, message, record)
    except KeyError:
        raise InputError("has no record") from None
    except (ValueError, RecursionError):
        raise InputError("has a record that is not an object") from None
    return found if found.files else None


def extended_schema(message: Members, *, keep_urls: bool) -> bytes:
    """Return a SCHEMA message with the members added to files.

    Raises:
        InputError: The schema lacks a member that this mapper reads.
    """
    try:
        schema = members(message["schema"])
        properties = members(schema["properties"])
        lacking = [name for name in READ if name not in properties]
        declared = members(properties["files"]) if not lacking else {}
    except (KeyError, ValueError, RecursionError):
        raise InputError("has no schema with properties") from None
    if lacking:
        raise InputError(
            f"is a SCHEMA of {ITEMS} without {', '.join(map(repr, lacking))}: select it in the tap under this name"
        )
    kinds = decode(declared.get("type", b"[]"))
    if kinds and "array" not in kinds:
        raise InputError(f"is a SCHEMA of {ITEMS} whose 'files' are not a list: flatten in the loader only")
    try:
        entry = members(declared.get("items", b'{"type":["object","null"]}'))
        own = members(entry.get("properties", b"{}"))
    except (ValueError, RecursionError):
        raise InputError("has an invalid schema of files") from None
    if not keep_urls:
        own.pop("url", None)
    own |= {name: encode(added) for name, added in ADDED.items()}
    entry["properties"] = join(own)
    declared["items"] = join(entry)
    properties["files"] = join(declared)
    return join(message | {"schema": join(schema | {"properties": join(properties)})})


def _entry(part: Json) -> Members | Json:
    return members(part) if bytes(part)[:1] == b"{" else part


def _outcome(entry: Members, outcome: Mapping[str, object], *, keep_urls: bool) -> bytes:
    own = {name: value for name, value in entry.items() if name not in ADDED}
    if not keep_urls:
        own.pop("url", None)
    return join(own | {name: encode(value) for name, value in outcome.items()})


def _replaced(source: bytes, parts: Members, name: str, value: bytes) -> bytes:
    """Return an object with one member's value replaced and all other bytes unchanged."""
    old = bytes(parts[name])
    start = source.find(old)
    # The same bytes may occur twice; then the object is put together again.
    if source.find(old, start + 1) < 0:
        return source[:start] + value + source[start + len(old) :]
    return join(parts | {name: value})


def _value(part: Json | None) -> object:
    return None if part is None else decode(part)
