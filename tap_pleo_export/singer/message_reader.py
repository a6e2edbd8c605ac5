"""Reads Singer messages line by line and keeps their members as bytes.

Members are decoded only where needed, so unchanged ones are written exactly as read: numbers, unknown members, order.
"""

from __future__ import annotations

import logging
import os
import select
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.singerlib.encoding.base import GenericSingerReader

from tap_pleo_export.singer.exact_json import decode, members

if TYPE_CHECKING:
    from tap_pleo_export.singer.signals import Interrupts

BUFFER = 1 << 16
"""Bytes to read or write at once: the size of a pipe."""


class InputError(ValueError):
    """The input is unusable; the message names the line without quoting it."""


class InputMessage:
    """A Singer message; the constructor raises an InputError for other lines.

    Attributes:
        members: The message's members, undecoded.
        stream: The member `stream` if it is a string.
        number: Line number in the input, from 1; 0 if unknown.
    """

    __slots__ = ("_line", "members", "number", "stream", "type")

    def __init__(self, line: bytes) -> None:
        self._line = line
        self.number = 0
        try:
            self.members = members(line)
            kind = _text(bytes(self.members.get("type", b"null")))
            self.stream = _text(bytes(self.members.get("stream", b"null")))
        except (ValueError, RecursionError):
            raise InputError("is not a JSON object: the tap was cut off, or prints other text") from None
        if kind is None:
            raise InputError("has no message type: it is not a Singer message")
        self.type = kind

    def unchanged(self) -> bytes:
        """Return the line without its newline; raise an InputError if it is not UTF-8, which decoding would detect."""
        try:
            str(self._line, "utf-8")
        except UnicodeDecodeError:
            raise InputError("is not UTF-8 text") from None
        return self._line.rstrip(b"\n")


@lru_cache(maxsize=256)
def _text(data: bytes) -> str | None:
    value = decode(data)
    return value if isinstance(value, str) else None


class MessageReader(GenericSingerReader[bytes]):
    """Passes each message to the callback of its type.

    Args:
        unknown: Callback for messages of other types.
        tick: Called before each wait for input. Returns the seconds until it should be called again, or None if it
            has nothing to do. By default, waits have no limit.
    """

    def __init__(self, unknown: Callable[[InputMessage], None], tick: Callable[[], float | None] | None = None) -> None:
        super().__init__()
        self._unknown = unknown
        self._tick = tick

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, buffered by the size of a pipe."""
        if sys.__stdin__ is None:
            raise InputError("standard input is closed: connect it to a tap or a file")
        return os.fdopen(sys.stdin.fileno(), "rb", buffering=BUFFER, closefd=False)

    def deserialize_json(self, line: bytes) -> InputMessage:  # type: ignore[override] # more than a dict
        """Return the message of a line."""
        return InputMessage(line)

    def process_lines(self, file_input: IO[bytes] | None, callbacks: dict[str, Callable[[Any], None]]) -> Counter[str]:
        """Pass each message to the callback of its type, skip blank lines, and return the number of messages by type.

        Raises:
            InputError: A line is unusable; names its number, from 1.
        """
        counts: Counter[str] = Counter()
        lines = self.default_input if file_input is None else getattr(file_input, "buffer", file_input)
        for number, line in enumerate(self._in_time(lines), 1):
            if not line or line.isspace():
                continue
            try:
                message = self.deserialize_json(line)
                message.number = number
                callbacks.get(message.type, self._unknown)(message)
            except InputError as problem:
                raise InputError(f"line {number} of the input {problem}") from None
            counts[message.type] += 1
        return counts

    def _in_time(self, file_input: IO[bytes]) -> Iterable[bytes]:
        """Yield lines; call `tick` between them, and on time while none arrives."""
        if self._tick is None or not _has_descriptor(file_input):
            yield from file_input
            return
        descriptor = file_input.fileno()
        begun: list[bytes] = []
        while True:
            while not select.select((descriptor,), (), (), self._tick())[0]:
                pass
            chunk = os.read(descriptor, BUFFER)
            if not chunk:
                break
            *whole, rest = chunk.split(b"\n")
            for line in whole:
                yield b"".join((*begun, line))
                begun.clear()
            if rest:
                begun.append(rest)
        if begun:
            yield b"".join(begun)


def _has_descriptor(file_input: IO[bytes]) -> bool:
    try:
        file_input.fileno()
    except (AttributeError, OSError):
        return False
    return True


def run_reader(
    logger: logging.Logger, interrupts: Interrupts, read: Callable[[], object], *expected: type[Exception]
) -> bool:
    """Read all input, unless a signal ends it, and return whether it was read completely.

    OSError and the expected exceptions are logged in one line.
    """
    try:
        with interrupts.allowed():
            read()
    except expected as problem:
        logger.error("%s", problem)  # noqa: TRY400 - a user reads a line, not a traceback
        return False
    except OSError as problem:
        logger.error("Cannot read messages: %s", problem.strerror)  # noqa: TRY400 - the same
        return False
    return True
