from __future__ import annotations

import io
from itertools import count

import pytest

from tap_pleo_export.blocked_report.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_grows_on_a_terminal_and_is_erased_at_the_end() -> None:
    terminal = Terminal()
    progress = Progress(terminal, 1000, count(0, 0.5).__next__)
    for _ in range(4):
        progress.tick(250)
    shown = terminal.getvalue().split("\r")

    assert shown[1] == "[###############...............]  50%  2 records read "
    assert shown[-1].startswith("[##############################] 100%  4 records")
    progress.close()
    assert terminal.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("stream", "total", "seconds", "expected"),
    [(Terminal(), None, 2, "\r1 records read \r\x1b[K"), (Terminal(), 1000, 0.001, ""), (io.StringIO(), 1000, 2, "")],
    ids=["unknown total", "short run", "file"],
)
def test_output_without_a_bar(stream: io.StringIO, total: int | None, seconds: float, expected: str) -> None:
    progress = Progress(stream, total, count(0, seconds).__next__)
    progress.tick(250)
    progress.close()

    assert stream.getvalue() == expected
