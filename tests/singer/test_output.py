"""How lines are cut into writes: a kill between two of them leaves whole lines behind."""

from __future__ import annotations

import io
import sys
from select import PIPE_BUF
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.singer.output import LineWriter


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
def test_lines_are_whole_and_share_a_write_only_if_a_pipe_takes_it_whole(lengths: list[int]) -> None:
    messages = ["x" * length for length in lengths]

    writes, writer = written(messages)

    assert b"".join(writes.all) == b"".join(msgspec.json.encode(message) + b"\n" for message in messages)
    assert all(piece.endswith(b"\n") for piece in writes.all)
    assert all(len(piece) <= PIPE_BUF or piece.count(b"\n") == 1 for piece in writes.all)
    assert writer.bytes_written == sum(map(len, writes.all))


def test_small_lines_share_writes() -> None:
    writes, _ = written(["x" * 97] * 1000)

    assert len(writes.all) == 1000 // (PIPE_BUF // 100)
