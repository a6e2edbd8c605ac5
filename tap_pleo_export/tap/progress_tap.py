"""A tap that keeps the progress of each export job as state and writes STATE after each page."""

from __future__ import annotations

import abc
import contextlib
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk import Tap

from tap_pleo_export.pleo_plugin.plugin import PleoPlugin
from tap_pleo_export.singer.message_writer import LineWriter, OutputError, StatePace
from tap_pleo_export.tap.bookmarks import Bookmarks
from tap_pleo_export.tap.outcome import RunOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.tap.run_reader import RunReader


class ProgressTap(PleoPlugin, Tap):
    """The part of the tap that its streams use."""

    message_writer: LineWriter

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        self.bookmarks = Bookmarks({})
        self._pace = StatePace()
        self._last_state: dict[str, Any] | None = None
        super().__init__(**kwargs)

    @property
    @abc.abstractmethod
    def reader(self) -> RunReader:
        """The reader of the run's jobs."""

    @cached_property
    def outcome(self) -> RunOutcome:
        """The outcome of the run so far."""
        return RunOutcome()

    def load_state(self, state: dict[str, Any]) -> None:
        """Read the progress from a Singer state; the job of an unreadable entry starts again."""
        self.bookmarks = Bookmarks(state)
        if self.bookmarks.unreadable:
            self.logger.warning(
                "State: %d entr(ies) of 'export_items' cannot be read; their jobs are read again from the first page",
                self.bookmarks.unreadable,
            )
        if self.bookmarks:
            self.state.update(self.bookmarks.to_state())  # type: ignore[typeddict-item]

    def write_state_if_due(self) -> None:
        """Write a STATE message unless the last one was larger than the records written since."""
        if self._pace.due(self.message_writer.bytes_written, time.monotonic()):
            self.write_state()

    def write_state(self) -> None:
        """Write a STATE message if the progress has changed since the last."""
        state = self.bookmarks.to_state()
        if state == self._last_state:
            return
        self._last_state = state
        self.state.update(state)  # type: ignore[typeddict-item]
        before = self.message_writer.bytes_written
        self.message_writer.write_messages(({"type": "STATE", "value": state},))
        after = self.message_writer.bytes_written
        self._pace.emitted(after - before, after, time.monotonic())

    @contextlib.contextmanager
    def last_state(self) -> Iterator[None]:
        """Write a STATE at the end of the block, however it ends, unless the output itself has failed."""
        try:
            yield
        except OutputError:
            raise
        except BaseException:
            self.write_state()
            raise
        self.write_state()
