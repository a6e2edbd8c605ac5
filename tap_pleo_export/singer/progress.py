"""Progress on standard error while it is a terminal. Logs, pipes and files never have it."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO, cast

import click

from tap_pleo_export.text import minutes_until

_PERIOD = 0.25
_BAR_WIDTH = 10
_COLUMNS = 80
_STDIN, _STDOUT = 0, 1
# Terminal codes: erase the line, erase everything below, and go up.
_ERASE_LINE, _ERASE_BELOW, _UP = "\r\x1b[K", "\r\x1b[J", "\x1b[A"


class Progress:
    """A line on the terminal, rewritten a few times a second.

    Args:
        terminal: Standard error.
        row: Row below the cursor, so that the programs of a pipeline have one each.
    """

    def __init__(self, terminal: TextIO, row: int = 0) -> None:
        self._terminal = terminal
        self._row = row
        self._due = 0.0

    def show(self, label: str, done: int, total: int | None, *info: str) -> None:
        """Show information, and a bar if `total` is known; does nothing if the last call was a moment ago."""
        now = time.monotonic()
        if now < self._due and done != total:
            return
        self._due = now + _PERIOD
        text = ", ".join(filter(None, info))
        if total is None:
            self._write(f"{label}: {text}")
            return
        bar = click.progressbar(
            range(total),
            label=label,
            item_show_func=lambda _item: text,
            width=_BAR_WIDTH,
            show_eta=False,
            hidden=True,
        )
        bar.update(done)
        self._write(bar.format_progress_line())

    def clear(self) -> None:
        """Erase the line."""
        self._write("")

    def _write(self, text: str) -> None:
        # In one piece, and with the cursor where it was, because other programs write to the terminal, too.
        with contextlib.suppress(OSError):  # a terminal that was closed
            # A terminal without a size has 0 columns.
            columns = os.get_terminal_size(self._terminal.fileno()).columns or _COLUMNS
            self._terminal.write("\n" * self._row + _ERASE_LINE + text[: columns - 1] + _UP * self._row + "\r")
            self._terminal.flush()


class _AboveProgress:
    """Standard error that erases the progress before each line; progress is shown again soon."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._at_start = True

    def write(self, text: str) -> int:
        erase = _ERASE_BELOW if self._at_start else ""
        self._at_start = text.endswith("\n")
        return self._terminal.write(erase + text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._terminal, name)


@contextlib.contextmanager
def progress(row: int = 0, *, beside_messages: bool = False) -> Iterator[Progress | None]:
    """Return the progress of the block, or None if standard error is not a terminal.

    Args:
        row: Row of a program that is not the first in its pipeline.
        beside_messages: Whether standard output has messages, which fill the screen if it is a terminal, too.
    """
    terminal = sys.stderr
    if terminal is None or not terminal.isatty() or (beside_messages and os.isatty(_STDOUT)):
        yield None
        return
    shown = Progress(terminal, row if _is_pipe(_STDIN) else 0)
    above = cast("TextIO", _AboveProgress(terminal))
    handlers = [handler for handler in _handlers() if handler.stream is terminal]
    for handler in handlers:
        handler.setStream(above)
    try:
        with contextlib.redirect_stderr(above):
            yield shown
    finally:
        for handler in handlers:
            handler.setStream(terminal)
        shown.clear()


def minutes_left(expires: datetime | None) -> str:
    """Return "38 min left" of a job, or "" if its expiry is unknown."""
    return f"{minutes_until(expires, datetime.now(UTC))} min left" if expires else ""


def _handlers() -> Iterator[logging.StreamHandler[TextIO]]:
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    for logger in loggers:
        if isinstance(logger, logging.Logger):
            yield from (handler for handler in logger.handlers if isinstance(handler, logging.StreamHandler))


def _is_pipe(descriptor: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except OSError:
        return False
