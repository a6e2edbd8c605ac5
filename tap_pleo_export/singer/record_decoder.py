"""From a page's bytes to records, without looking inside what needs no look.

A record is a :class:`msgspec.Struct` whose members are the bytes that Pleo sent (:class:`msgspec.Raw`), so numbers keep
every digit. Members that the stream's schema does not declare move to ``additionalFields``.
"""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tap_pleo_export.singer.depth import DEEPEST, cut
from tap_pleo_export.text import one_line, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_pleo_export.singer.field_drift import DriftWatch

ADDITIONAL_FIELDS = "additionalFields"

_encoder = msgspec.json.Encoder(decimal_format="number")
_exact_decoder = msgspec.json.Decoder(float_hook=Decimal)
encode = _encoder.encode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode

Key = Annotated[str, msgspec.Meta(min_length=1)]
# A member that Pleo must not send: no JSON is of this type.
Ours = Annotated[str, msgspec.Meta(min_length=1, max_length=0)] | UnsetType


class PageInfo(msgspec.Struct, rename="camel"):
    """What a page says of its place (OpenAPI schema ``CursorPageInfo``); other members are ignored."""

    has_next_page: bool
    end_cursor: str | None = None
    total: Any = None
    """A whole number; None if Pleo sends none, or something else."""

    @classmethod
    def read(cls, raw: Raw) -> PageInfo:
        """Read a page's ``pagination``; an odd ``total`` costs the reading ahead, never the page."""
        info = msgspec.json.decode(raw, type=_RawPageInfo)
        return cls(info.has_next_page, info.end_cursor, whole_number(info.total))


class _RawPageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None
    total: Raw | UnsetType = UNSET


def whole_number(raw: Raw | UnsetType) -> int | None:
    """Return a whole number; None if it is absent, or something else."""
    try:
        return msgspec.json.decode(raw, type=int) if isinstance(raw, Raw) else None
    except (msgspec.MsgspecError, ValueError):
        return None


class Page(msgspec.Struct, gc=False):
    """A page of records.

    Attributes:
        records: Structs with one attribute per property of the stream's schema, ``UNSET`` where Pleo sent none.
        info: The page's place.
        unusable: The rows that cannot be records: which, and why.
    """

    records: list[Any]
    info: PageInfo
    unusable: list[str] = []

    @property
    def rows(self) -> int:
        """How many rows Pleo sent."""
        return len(self.records) + len(self.unusable)


class Single(msgspec.Struct):
    """A single object's envelope; other members are ignored."""

    data: Raw


class UnusableRowError(Exception):
    """A row cannot be a record; ``str()`` says why."""


class RecordShape:
    """The shape of one stream's records.

    Args:
        schema: The stream's JSON Schema.
        keys: Members without which a record cannot be: strings, not empty.
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
        self._read = {**read, **dict.fromkeys(self._computed, Ours), **dict.fromkeys(self._keys, Key)}
        self._known = {*names} - self._computed
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
        self._page = self._decoder(list[self.record_type])  # type: ignore[name-defined]
        self._raw_page = self._decoder(list[Raw])

    def decode_page(self, body: bytes) -> Page:
        """Decode a page of the Export API (``{"data": [...], "pagination": {...}}``).

        A row that cannot be a record is named in the page's ``unusable``; the others are not affected.

        Raises:
            msgspec.MsgspecError: The body is not such a page.
            UnicodeDecodeError: The body is not UTF-8.
            RecursionError: It is nested too deeply outside of its rows.
        """
        body, replaced = storable(body)
        self._drift.replaced(replaced)
        try:
            decoded = self._page.decode(body)
            page = Page(decoded.data, PageInfo.read(decoded.pagination))
        except (msgspec.ValidationError, RecursionError):
            page = self._decode_row_by_row(body)
        self._drift.inspect(page.records)
        return page

    def decode_single(self, body: bytes) -> Any:  # noqa: ANN401 - a record_type made at run time
        """Decode a single object's answer (``{"data": {...}}``, OpenAPI schema ``DataResponseExportJobV3``).

        Raises:
            msgspec.MsgspecError: The body is no such answer.
            UnusableRowError: A member that the connector reads is absent or of another type.
        """
        return self._sorted_out(msgspec.json.decode(msgspec.json.decode(body, type=Single).data, type=dict[str, Raw]))

    def _decode_row_by_row(self, body: bytes) -> Page:
        too_deep: set[int] = set()
        try:
            decoded = self._decode_loosely(body)
        except RecursionError:
            body, too_deep = cut(body)
            decoded = self._decode_loosely(body)
        page = Page([], PageInfo.read(decoded.pagination), [])
        for position, row in enumerate(decoded.data):
            try:
                record = self._sorted_out(row)
            except UnusableRowError as error:
                reason = str(error)
            else:
                if position not in too_deep:
                    page.records.append(record)
                    continue
                reason = f"nested more deeply than {DEEPEST} levels"
            page.unusable.append(f"row {position + 1}{self._id_of(row)} is unusable, {reason}")
        return page

    def _decode_loosely(self, body: bytes) -> Any:  # noqa: ANN401 - a type made at run time
        page = self._raw_page.decode(body)
        page.data = list(map(_members_of, page.data))
        return page

    def _id_of(self, row: object) -> str:
        """Return what tells a row from others, as far as it is there."""
        ids = [bytes(row[key]).decode() for key in self._keys if key in row] if isinstance(row, dict) else []
        return f" ({self._keys[0]} {one_line(ids[0])})" if ids else ""

    def _sorted_out(self, members: object) -> Any:  # noqa: ANN401 - a record_type made at run time
        """Make a record of members of any name: what the schema does not declare goes to ``additionalFields``."""
        if not isinstance(members, dict):
            raise UnusableRowError("not an object")
        missing = [key for key in self._keys if key not in members]
        if missing:
            raise UnusableRowError(f"it has no '{missing[0]}'")
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
            wanted = "a text that is not empty" if name in self._keys else "what it should be"
            raise UnusableRowError(f"its '{name}' is not {wanted}") from None

    @staticmethod
    def _decoder(data: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - a type made at run time
        envelope = msgspec.defstruct("Envelope", [("data", data), ("pagination", Raw)])
        return msgspec.json.Decoder(envelope)


def _members_of(row: Raw) -> dict[str, Raw] | None:
    """Return a row's members; None if it is no object."""
    try:
        return _decode_members(row)
    except msgspec.ValidationError:
        return None


def as_dict(record: Any) -> dict[str, Any]:  # noqa: ANN401 - a record_type made at run time
    """Return a record as plain Python values: fractions as ``Decimal``, absent members absent."""
    decoded: dict[str, Any] = _exact_decoder.decode(encode(record))
    return decoded
