"""Singer messages read line by line: their members as bytes, and the line that they came in.

Only what is looked at is decoded further. So what is not changed is written as it was read: exact numbers, unknown
members, order.
"""

from __future__ import annotations

import os
import select
import sys
from collections import Counter
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.singerlib.encoding.base import GenericSingerReader

from tap_pleo_export.singer.exact_json import decode, members

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from tap_pleo_export.singer.signals import Interrupts

BUFFER = 1 << 16
"""Bytes read or written at once: what a pipe holds."""


class InputError(ValueError):
    """The input cannot be taken; the message names the line and shows none of it."""


class InputMessage:
    """A Singer message as it was read.

    Attributes:
        line: The line that it came in, without its newline.
        members: Its members, each as the bytes it came in.
        type: Its `type`.
        stream: Its `stream`, if that is text.
        number: Which line of the input it is, from 1; 0 if nobody counts.

    Raises:
        InputError: This is no Singer message.
    """

    __slots__ = ("line", "members", "number", "stream", "type")

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.number = 0
        try:
            self.members = members(line)
            kind = _text(bytes(self.members.get("type", b"null")))
            self.stream = _text(bytes(self.members.get("stream", b"null")))
        except (ValueError, RecursionError):
            raise InputError("is not a JSON object: the tap was cut off, or prints other text") from None
        if kind is None:
            raise InputError("has no message type: it is no Singer message")
        self.type = kind

    def unchanged(self) -> bytes:
        """Return the line for passing it on.

        Raises:
            InputError: It is no UTF-8; members that nobody decodes are not checked otherwise.
        """
        try:
            str(self.line, "utf-8")
        except UnicodeDecodeError:
            raise InputError("is not UTF-8 text") from None
        return self.line


@lru_cache(maxsize=256)
def _text(data: bytes) -> str | None:
    value = decode(data)
    return value if isinstance(value, str) else None


class MessageReader(GenericSingerReader[bytes]):
    """Hands messages on, split into their members.

    Args:
        unknown: Receives messages of a type without a callback.
        tick: Called whenever there may be nothing to read for a while: does what is due, and returns in how many
            seconds it is to be called again, None if nothing will be due. By default reading waits for ever.
    """

    def __init__(self, unknown: Callable[[InputMessage], None], tick: Callable[[], float | None] | None = None) -> None:
        super().__init__()
        self._unknown = unknown
        self._tick = tick

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, with a buffer of the size of a pipe.

        Raises:
            InputError: It is closed.
        """
        if sys.__stdin__ is None:
            raise InputError("standard input is closed: connect it to a tap or a file")
        return os.fdopen(sys.stdin.fileno(), "rb", buffering=BUFFER, closefd=False)

    def deserialize_json(self, line: bytes) -> InputMessage:  # type: ignore[override] # more than its members
        """Read a message."""
        return InputMessage(line)

    def process_lines(self, file_input: IO[bytes] | None, callbacks: dict[str, Callable[[Any], None]]) -> Counter[str]:
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
        for number, line in enumerate(self._in_time(lines), 1):
            if not line or line.isspace():
                continue
            try:
                message = self.deserialize_json(line.rstrip(b"\n"))
                message.number = number
                callbacks.get(message.type, self._unknown)(message)
            except InputError as problem:
                raise InputError(f"line {number} of the input {problem}") from None
            counts[message.type] += 1
        return counts

    def _in_time(self, file_input: IO[bytes]) -> Iterable[bytes]:
        """Yield lines; between them call `tick`, on time also where none comes."""
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
    """Read the input, where a signal may end it; what else ends it early is one line.

    Args:
        logger: Where that is said.
        interrupts: The signals.
        read: Reads it.
        expected: Exceptions whose text says it all.

    Returns:
        Whether it was read to its end.
    """
    try:
        with interrupts.allowed():
            read()
    except expected as problem:
        logger.error("%s", problem)  # noqa: TRY400 - a user reads a line, not a traceback
        return False
    except OSError as problem:
        logger.error("cannot read messages: %s", problem.strerror)  # noqa: TRY400 - the same
        return False
    return True
