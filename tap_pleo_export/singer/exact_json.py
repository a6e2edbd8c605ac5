"""JSON without loss: exact numbers, lone surrogates, and undecoded parts as their original bytes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn

import msgspec

from tap_pleo_export.numbers import exact_number

Json = bytes | msgspec.Raw
"""Encoded JSON."""

Members = dict[str, Json]
"""Members of a JSON object."""

_encoder = msgspec.json.Encoder(decimal_format="number")
_encode = _encoder.encode
encode_into = _encoder.encode_into
"""Encode JSON at the end (-1) of a buffer; raises UnicodeEncodeError for text that only :func:`encode` accepts."""
_value = msgspec.json.Decoder(float_hook=exact_number).decode
_members: Callable[[Json], Members] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode  # type: ignore[assignment]
_elements: Callable[[Json], list[Json]] = msgspec.json.Decoder(list[msgspec.Raw]).decode  # type: ignore[assignment]
# Matches any escape, so that each is consumed once; captures those of surrogates.
_ESCAPE = re.compile(rb"\\(?:(u[dD][89a-fA-F])|.)", re.DOTALL)


def encode(value: object) -> bytes:
    """Encode JSON; a Decimal becomes a number with the same digits, unless a text has a lone surrogate (TypeError)."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value, builtin_types=(Decimal,))).encode()


def decode(data: Json) -> Any:  # noqa: ANN401 - JSON
    """Decode JSON with exact numbers; a ValueError for other text, a RecursionError if too deep.

    Numbers are int or Decimal, or msgspec.Raw where the exponent has more than 18 digits.
    """
    try:
        return _value(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Lone surrogates and huge integers are legal JSON that only the standard library reads.
        return _standard.decode(str(bytes(data), "utf-8"))


def members(data: Json) -> Members:
    """Split a JSON object into its undecoded members, the last of each name; errors as :func:`decode`."""
    try:
        return _members(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # msgspec refuses escapes of lone surrogates, which are legal JSON, even in undecoded parts.
        return _members_with_surrogates(str(bytes(data), "utf-8"))


def _members_with_surrogates(source: str) -> Members:
    """Split an object while an unused character replaces the backslashes of surrogates."""
    escapes = source.lower()
    marks = (chr(code) for code in range(0x80, 0xD800) if f"\\u{code:04x}" not in escapes)
    mask = next(mark.encode() for mark in marks if mark not in source)
    masked = _ESCAPE.sub(lambda found: mask + found[1] if found[1] else found[0], source.encode())
    try:
        parts = _members(masked)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("not a JSON object") from None
    return {
        decode(_encode(name).replace(mask, b"\\")): bytes(value).replace(mask, b"\\") for name, value in parts.items()
    }


def elements(data: Json) -> list[Json]:
    """Split a JSON array into its elements, encoded again if there are lone surrogates; errors as :func:`decode`."""
    try:
        return _elements(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        values = decode(data)
        if not isinstance(values, list):
            raise ValueError("not a JSON array") from None  # noqa: TRY004 - the same error as for other text
        return [encode(value) for value in values]


def join(parts: Members) -> bytes:
    """Write members as a JSON object."""
    pieces: list[Json] = []
    for name, value in parts.items():
        pieces += (b"," if pieces else b"{", _name(name), value)
    return b"".join((*pieces, b"}")) if pieces else b"{}"


@lru_cache(maxsize=256)
def _name(name: str) -> bytes:
    return encode(name) + b":"


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < sys.int_info.default_max_str_digits else Decimal(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_standard = json.JSONDecoder(parse_float=exact_number, parse_int=_integer, parse_constant=_no_constant)
