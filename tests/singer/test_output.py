"""Lines are grouped into writes so that a kill leaves whole lines."""

from __future__ import annotations

import io
import signal
import sys
import time
from select import PIPE_BUF
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.singer.message_writer import LineWriter
from tap_pleo_export.singer.signals import Interrupts


class Writes(io.RawIOBase):
    """A standard output that keeps its writes apart."""

    def __init__(self) -> None:
        self.all: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes | bytearray) -> int:  # type: ignore[override] # narrower than any buffer
        self.all.append(bytes(piece))
        return len(piece)

    def as_text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BufferedWriter(cast("io.FileIO", self)))


def written(messages: list[str]) -> tuple[Writes, LineWriter]:
    writes, writer = Writes(), LineWriter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", writes.as_text())
        writer.write_messages(messages)
    return writes, writer


@given(st.lists(st.integers(0, 2 * PIPE_BUF), max_size=40))
def test_writes_are_whole_lines_within_pipe_size(lengths: list[int]) -> None:
    messages = ["x" * length for length in lengths]

    writes, writer = written(messages)

    assert b"".join(writes.all) == b"".join(msgspec.json.encode(message) + b"\n" for message in messages)
    assert all(piece.endswith(b"\n") for piece in writes.all)
    assert all(len(piece) <= PIPE_BUF or piece.count(b"\n") == 1 for piece in writes.all)
    assert writer.bytes_written == sum(map(len, writes.all))


def test_small_lines_share_writes() -> None:
    writes, _ = written(["x" * 97] * 1000)

    assert len(writes.all) == 1000 // (PIPE_BUF // 100)


class Trickle:
    """A stream that takes a few bytes at a time, and is interrupted while it does."""

    def __init__(self) -> None:
        self.data = b""
        self.on_write: Any = lambda: None

    def write(self, data: bytes | memoryview) -> int:
        self.on_write()
        self.data += bytes(data[:5])
        return min(5, len(data))


def buffered(stream: Trickle, run: Interrupts) -> LineWriter:
    return LineWriter(hold=1000, shield=run.shielded, stream=cast("Any", stream))


def test_lines_are_collected_until_full_or_flushed() -> None:
    stream = Trickle()
    writer = buffered(stream, Interrupts())
    for number in range(20):
        writer.write_message(b"%099d" % number)
    assert stream.data.count(b"\n") == 10
    writer.flush()
    assert stream.data == b"".join(b"%099d\n" % number for number in range(20))
    assert writer.bytes_written == 2000


def test_short_writes_are_continued() -> None:
    stream = Trickle()
    writer = buffered(stream, Interrupts())
    writer.write_message(b"x" * 23)
    writer.flush()
    assert stream.data == b"x" * 23 + b"\n"


def test_signal_waits_for_lines_being_written() -> None:
    stream, run = Trickle(), Interrupts()
    writer = buffered(stream, run)

    def interrupt_once() -> None:
        stream.on_write = lambda: None
        run.handle(signal.SIGTERM)

    stream.on_write = interrupt_once
    writer.write_message(b"x" * 23)
    with pytest.raises(SystemExit) as exit_, run.allowed():
        writer.flush()
    assert exit_.value.code == 143
    assert stream.data == b"x" * 23 + b"\n"


def test_second_signal_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(9))
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    stream, run = Trickle(), Interrupts()
    writer = buffered(stream, run)
    stream.on_write = lambda: run.handle(signal.SIGTERM)
    writer.write_message(b"x" * 23)
    with pytest.raises(SystemExit), run.allowed():
        writer.flush()
    assert stream.data == b"x" * 5
    writer.flush()
    assert stream.data == b"x" * 5, "discarded lines are not written later"


def test_partial_line_is_discarded() -> None:
    stream = Trickle()
    writer = buffered(stream, Interrupts())
    writer.write_message(b"whole")
    with pytest.raises(TypeError):
        writer.write_messages(({"part": [1, object()]},))
    writer.write_message(b"next")
    writer.flush()
    assert stream.data == b"whole\nnext\n"
