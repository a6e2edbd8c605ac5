from __future__ import annotations

import io
from itertools import count

from tap_pleo_export.blocked_report.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_grows_on_a_terminal_and_is_wiped_at_the_end() -> None:
    terminal = Terminal()
    progress = Progress(terminal, 1000, count(0, 0.5).__next__)
    for _ in range(4):
        progress.tick(250)
    shown = terminal.getvalue().split("\r")

    assert shown[1] == "[###############...............]  50%  2 records read "
    assert shown[-1].startswith("[##############################] 100%  4 records")
    progress.close()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_where_the_end_is_not_known_records_are_counted() -> None:
    terminal = Terminal()
    progress = Progress(terminal, None, count(0, 2).__next__)
    progress.tick(250)

    assert terminal.getvalue() == "\r1 records read "


def test_a_file_is_told_nothing() -> None:
    file = io.StringIO()
    progress = Progress(file, 1000, count(0, 2).__next__)
    progress.tick(250)
    progress.close()

    assert file.getvalue() == ""


def test_a_short_run_shows_nothing() -> None:
    terminal = Terminal()
    progress = Progress(terminal, 1000, count(0, 0.001).__next__)
    progress.tick(1000)
    progress.close()

    assert terminal.getvalue() == ""
