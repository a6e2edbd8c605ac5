"""From a page's bytes to records, without looking inside what needs no look.

A record is a :class:`msgspec.Struct` whose members are the bytes that Pleo sent (:class:`msgspec.Raw`), so numbers keep
every digit. Members that the stream's schema does not declare move to ``additionalFields``.
"""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tap_pleo_export.pleo.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_pleo_export.drift import DriftWatch

ADDITIONAL_FIELDS = "additionalFields"

_encoder = msgspec.json.Encoder(decimal_format="number")
_exact_decoder = msgspec.json.Decoder(float_hook=Decimal)
encode = _encoder.encode


class PageInfo(msgspec.Struct, rename="camel"):
    """What a page says of its place (OpenAPI schema ``CursorPageInfo``); other members are ignored."""

    has_next_page: bool
    end_cursor: str | None = None
    total: Any = None


class Page(msgspec.Struct):
    """A page of records.

    Attributes:
        records: Structs with one attribute per property of the stream's schema, ``UNSET`` where Pleo sent none.
        info: The page's place.
    """

    records: list[Any]
    info: PageInfo


class UnkeyedRecordError(Exception):
    """A record lacks a member that the connector cannot do without."""


class RecordShape:
    """The shape of one stream's records.

    Args:
        schema: The stream's JSON Schema.
        keys: Members without which a record cannot be: strings.
        read: Further members that the connector itself reads, with their Python types.
        computed: Members that the connector adds; one of Pleo's by that name moves to ``additionalFields``.
        drift: Told of members that the schema does not declare.
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
        self._computed = {*computed, ADDITIONAL_FIELDS}
        self._keys = tuple(keys)
        self._read = {**read, **dict.fromkeys(self._keys, str)}
        self._known = {*names} - self._computed
        self._drift = drift
        self.record_type = msgspec.defstruct(
            "Record",
            [
                (name, str) if name in self._keys else (name, self._read.get(name, Raw | UnsetType), UNSET)
                for name in names
            ],
            forbid_unknown_fields=True,
            kw_only=True,
        )
        self._page = self._decoder(list[self.record_type])  # type: ignore[name-defined]
        self._loose_page = self._decoder(list[dict[str, Raw]])

    def decode_page(self, body: bytes) -> Page:
        """Decode a page of the Export API (``{"data": [...], "pagination": {...}}``).

        Raises:
            msgspec.MsgspecError: The body is not such a page.
            UnicodeDecodeError: The body is not UTF-8.
            UnkeyedRecordError: A record lacks a member that the connector reads, or it is of another type.
        """
        body, replaced = storable(body)
        self._drift.replaced(replaced)
        try:
            page = self._page.decode(body)
            strict = not any(getattr(record, name) is not UNSET for record in page.data for name in self._computed)
        except msgspec.ValidationError:
            strict = False
        if not strict:
            page = self._loose_page.decode(body)
            page.data = [self._sorted_out(members) for members in page.data]
        self._drift.inspect(page.data)
        return Page(page.data, page.pagination)

    def decode_record(self, raw: Raw | bytes) -> Any:  # noqa: ANN401 - a record_type made at run time
        """Decode a single record; the rules of :meth:`decode_page` hold."""
        return self._sorted_out(msgspec.json.decode(raw, type=dict[str, Raw]))

    def _sorted_out(self, members: dict[str, Raw]) -> Any:  # noqa: ANN401 - a record_type made at run time
        """Make a record of members of any name: what the schema does not declare goes to ``additionalFields``."""
        missing = [key for key in self._keys if key not in members]
        if missing:
            raise UnkeyedRecordError(f"a record without '{missing[0]}'")
        additional = {name: value for name, value in members.items() if name not in self._known}
        declared = {
            name: self._member(name, value) if name in self._read else value
            for name, value in members.items()
            if name in self._known
        }
        if additional:
            declared[ADDITIONAL_FIELDS] = Raw(encode(additional))
            self._drift.unknown(additional)
        return self.record_type(**declared)

    def _member(self, name: str, value: Raw) -> Any:  # noqa: ANN401 - of the member's own type
        try:
            return msgspec.json.decode(value, type=self._read[name])
        except msgspec.ValidationError:
            raise UnkeyedRecordError(f"a record whose '{name}' is not what it should be") from None

    @staticmethod
    def _decoder(data: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - a type made at run time
        envelope = msgspec.defstruct("Envelope", [("data", data), ("pagination", PageInfo)])
        return msgspec.json.Decoder(envelope)


def as_dict(record: Any) -> dict[str, Any]:  # noqa: ANN401 - a record_type made at run time
    """Return a record as plain Python values: fractions as ``Decimal``, absent members absent."""
    decoded: dict[str, Any] = _exact_decoder.decode(encode(record))
    return decoded
