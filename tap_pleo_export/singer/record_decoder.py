"""Rows of Pleo's as records, decoded no further than needed.

A record is a :class:`msgspec.Struct` whose members are the bytes that Pleo sent (:class:`msgspec.Raw`), so numbers keep
every digit. Members that the stream's schema does not declare move to ``additionalFields``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tap_pleo_export.numbers import exact_number
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from tap_pleo_export.singer.field_drift import DriftWatch

ADDITIONAL_FIELDS = "additionalFields"

_encoder = msgspec.json.Encoder(decimal_format="number")
_exact_decoder = msgspec.json.Decoder(float_hook=exact_number)
encode = _encoder.encode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode

Record = Any
"""A struct of a ``RecordDecoder.record_type``, which is made at run time from a JSON Schema."""

Key = Annotated[str, msgspec.Meta(min_length=1)]
# A member that Pleo must not send: no JSON value is of this type.
Computed = Annotated[str, msgspec.Meta(min_length=1, max_length=0)] | UnsetType


class UnusableRowError(ValueError):
    """A row cannot become a record; `reason` says why."""

    def __init__(self, reason: str, id_: str = "") -> None:
        self.reason = reason
        super().__init__(f"{id_}is unusable, {reason}")


class RecordDecoder:
    """Decodes the rows of one stream.

    Args:
        schema: The stream's JSON Schema.
        keys: Members that a record must have: non-empty strings.
        read: Further members that the connector itself reads, with their Python types.
        computed: Members that the connector adds; a member of Pleo's by that name moves to ``additionalFields``.
        drift: Reports members that the schema does not declare.

    Attributes:
        record_type: The type of a row that needs no further look: a struct with one attribute per property of the
            schema, ``UNSET`` where Pleo sent none.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        *,
        keys: Iterable[str],
        drift: DriftWatch,
        read: Mapping[str, Any] = MappingProxyType({}),
        computed: Iterable[str] = (),
    ) -> None:
        names = list(schema["properties"])
        self._keys = tuple(keys)
        computed = {*computed, ADDITIONAL_FIELDS}
        self._read = {**read, **dict.fromkeys(computed, Computed), **dict.fromkeys(self._keys, Key)}
        self._known = {*names} - computed
        self._drift = drift
        self.record_type = msgspec.defstruct(
            "Record",
            [
                (name, Key) if name in self._keys else (name, self._read.get(name, Raw | UnsetType), UNSET)
                for name in names
            ],
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )

    def decode_row(self, row: Raw) -> Record:
        """Decode any row; raise an UnusableRowError if a member that the connector reads is absent or unusable."""
        try:
            members = _decode_members(row)
        except msgspec.ValidationError:
            raise UnusableRowError("not an object") from None
        missing = [key for key in self._keys if key not in members]
        if missing:
            raise UnusableRowError(f"it has no '{missing[0]}'", self._id_of(members))
        declared, additional = {}, {}
        for name, value in members.items():
            if name in self._known:
                declared[name] = self._typed(name, members) if name in self._read else value
            else:
                additional[name] = value
        if additional:
            declared[ADDITIONAL_FIELDS] = Raw(encode(additional))
            self._drift.unknown(additional)
        return self.record_type(**declared)

    def _typed(self, name: str, members: Mapping[str, Raw]) -> Any:  # noqa: ANN401 - the member's own type
        try:
            return msgspec.json.decode(members[name], type=self._read[name])
        except msgspec.ValidationError:
            expected = "a non-empty text" if name in self._keys else "of the expected type"
            raise UnusableRowError(f"its '{name}' is not {expected}", self._id_of(members)) from None

    def _id_of(self, members: Mapping[str, Raw]) -> str:
        ids = [bytes(members[key]).decode() for key in self._keys if key in members]
        return f"({self._keys[0]} {one_line(ids[0])}) " if ids else ""


def as_dict(record: Record) -> dict[str, Any]:
    """Return a record as plain Python values: fractions as ``Decimal``, absent members absent."""
    decoded: dict[str, Any] = _exact_decoder.decode(encode(record))
    return decoded
