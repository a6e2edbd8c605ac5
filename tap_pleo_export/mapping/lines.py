"""Singer messages as bytes: read line by line, changed by splicing, written line by line.

A message is decoded to its members, each kept as the bytes it came in; only what is looked at is decoded further.
So what is not changed is written as it was read: exact numbers, unknown members, order.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, NoReturn

import msgspec
from singer_sdk.singerlib import Message
from singer_sdk.singerlib.encoding.base import GenericSingerReader, GenericSingerWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = bytes | msgspec.Raw
"""JSON as it came, or as it will be written."""

Members = dict[str, Json]
"""Members of a JSON object."""

_members: Callable[[Json], Members] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode  # type: ignore[assignment]
_value = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_BUFFER = 1 << 16


class InputError(ValueError):
    """The input cannot be mapped; the message names the line and shows none of it."""


@dataclass(slots=True)
class Line(Message):
    """A Singer message as the bytes of one line, without its newline."""

    line: bytes


def decode(data: Json) -> Any:  # noqa: ANN401 - JSON
    """Decode JSON; numbers stay exact (int or Decimal).

    Raises:
        ValueError: This is not JSON.
    """
    try:
        return _value(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Lone surrogates and huge integers are legal JSON that only the standard library reads.
        return _exact.decode(str(bytes(data), "utf-8"))


def encode(value: object) -> bytes:
    """Encode JSON; a Decimal is written as a number, digit for digit."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value, builtin_types=(Decimal,)), default=_no_default).encode()


def members(data: Json) -> Members:
    """Split a JSON object into its members; of a repeated name the last one counts.

    Raises:
        ValueError: This is not a JSON object.
    """
    try:
        return _members(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return dict(_scan(str(bytes(data), "utf-8").strip(" \t\r\n")))


def join(parts: Members) -> bytes:
    """Write members as a JSON object."""
    return b"{" + b",".join([b"%b:%b" % (_name(name), value) for name, value in parts.items()]) + b"}"


def text(data: Json | None) -> str | None:
    """Return a JSON string's value; None for anything else."""
    return None if data is None else _text(bytes(data))


@lru_cache(maxsize=256)
def _text(data: bytes) -> str | None:
    value = decode(data)
    return value if isinstance(value, str) else None


@lru_cache(maxsize=256)
def _name(name: str) -> bytes:
    return encode(name)


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < sys.int_info.default_max_str_digits else Decimal(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _no_default(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


_exact = json.JSONDecoder(parse_float=Decimal, parse_int=_integer, parse_constant=_no_constant)
_SPACE = " \t\r\n"


def _scan(source: str) -> Iterator[tuple[str, bytes]]:
    """Yield an object's members, values cut out of the source."""
    if not isinstance(_exact.decode(source), dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - of a value, not of an argument
    position = _skip(source, 1)
    while source[position] != "}":
        name, position = _exact.raw_decode(source, position)
        start = _skip(source, _skip(source, position) + 1)
        _, end = _exact.raw_decode(source, start)
        yield name, source[start:end].encode()
        position = _skip(source, end)
        if source[position] == ",":
            position = _skip(source, position + 1)


def _skip(source: str, position: int) -> int:
    while source[position] in _SPACE:
        position += 1
    return position


class LineWriter(GenericSingerWriter[bytes, Message]):
    """Writes whole lines only: what a signal cuts off is never half a line."""

    def __init__(self, stream: IO[bytes] | None = None) -> None:
        """Write to a binary stream, by default to standard output, unbuffered."""
        self._stream = stream
        self._lines: list[bytes] = []
        self._size = 0
        self._writing = False
        self._exit_code: int | None = None

    def serialize_message(self, message: Message) -> bytes:
        """Return the message's line."""
        return message.line if isinstance(message, Line) else encode(message.to_dict())

    def write_message(self, message: Message) -> None:
        """Queue a message; written when enough have come together, or at `flush`."""
        line = self.serialize_message(message)
        self._lines.append(line)
        self._size += len(line)
        if self._size > _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write what is queued.

        Raises:
            BrokenPipeError: The reader is gone; what was queued is discarded.
        """
        if not self._lines:
            return
        if self._stream is None:
            self._stream = os.fdopen(sys.stdout.fileno(), "wb", buffering=0, closefd=False)
        self._writing = True
        try:
            lines, self._lines, self._size = self._lines, [], 0
            left = memoryview(b"\n".join([*lines, b""]))
            while left:
                left = left[self._stream.write(left) or 0 :]
        finally:
            self._writing = False
        if self._exit_code is not None:
            raise SystemExit(self._exit_code)

    def interrupt(self, exit_code: int) -> None:
        """Exit on a signal: at once, or after the line that is being written; on the second signal at once.

        Raises:
            SystemExit: With this code.
        """
        if not self._writing or self._exit_code is not None:
            raise SystemExit(exit_code)
        self._exit_code = exit_code


class LineReader(GenericSingerReader[bytes]):
    """Reads messages as bytes, and hands them on as members.

    Attributes:
        line: The current line, without its newline.
    """

    def __init__(self, unknown: Callable[[Message], None]) -> None:
        """Read messages.

        Args:
            unknown: Receives messages of a type without a callback.
        """
        super().__init__()
        self._unknown = unknown
        self.line = b""

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, with a buffer of the size of a pipe."""
        return os.fdopen(sys.stdin.fileno(), "rb", buffering=_BUFFER, closefd=False)

    def checked_line(self) -> bytes:
        """Return the current line for passing it on.

        Raises:
            InputError: It is no UTF-8; members that nobody decodes are not checked otherwise.
        """
        try:
            str(self.line, "utf-8")
        except UnicodeDecodeError:
            raise InputError("is not UTF-8 text") from None
        return self.line

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Split a message into its members.

        Raises:
            InputError: This is no Singer message.
        """
        try:
            message = members(line)
            kind = text(message.get("type"))
        except (ValueError, RecursionError):
            raise InputError("is not a JSON object: the tap was cut off, or prints other text") from None
        if kind is None:
            raise InputError("has no message type: it is no Singer message")
        return message

    def process_lines(
        self, file_input: IO[bytes] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Hand each message to the callback of its type.

        Args:
            file_input: Lines of JSON, split at newline bytes only; blank ones are skipped.
            callbacks: By message type.

        Returns:
            Number of messages by type.

        Raises:
            InputError: A line cannot be mapped; names its number, from 1.
        """
        counts: Counter[str] = Counter()
        lines = self.default_input if file_input is None else getattr(file_input, "buffer", file_input)
        for number, line in enumerate(lines, 1):
            if line.isspace():
                continue
            self.line = line.rstrip(b"\n")
            try:
                message = self.deserialize_json(line)
                kind = text(message["type"]) or ""
                if callback := callbacks.get(kind):
                    callback(message)
                else:
                    self._unknown(Line(self.checked_line()))
            except InputError as problem:
                raise InputError(f"line {number} of the input {problem}") from None
            counts[kind] += 1
        return counts
