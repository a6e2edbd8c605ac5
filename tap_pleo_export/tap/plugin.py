"""The tap: settings in, streams out, one reading of Pleo per run."""

from __future__ import annotations

import copy
import os
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click
from singer_sdk import Tap
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.tap_base import CliTestOptionValue

from tap_pleo_export.pleo_plugin import settings
from tap_pleo_export.pleo_plugin.plugin import PleoPlugin
from tap_pleo_export.singer.catalog import catalog_problem
from tap_pleo_export.singer.command_line import json_file, main
from tap_pleo_export.singer.message_writer import LineWriter
from tap_pleo_export.singer.state_pace import StatePace
from tap_pleo_export.tap.bookmarks import Bookmarks
from tap_pleo_export.tap.export_reader import ExportReader
from tap_pleo_export.tap.outcome import RunOutcome
from tap_pleo_export.tap.run import Run, Scope
from tap_pleo_export.tap.streams import STREAMS, ExportItems, ExportJobItems, ExportJobs

if TYPE_CHECKING:
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.streams import Stream

    from tap_pleo_export.tap.paged_stream import PagedStream

S = TypeVar("S", bound="PagedStream")

# Of a request, where a person waits for the answer.
HURRIED_SECONDS = 10


class TapPleoExport(PleoPlugin, Tap):
    """Reads export jobs, their job items and full export items from Pleo's Export API v3. Never writes to Pleo."""

    name = "tap-pleo-export"
    # A copy: the SDK adds its own settings to it.
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(settings.SETTINGS)
    message_writer_class = LineWriter
    message_writer: LineWriter
    # No ACTIVATE_VERSION: rows of earlier jobs stay. No BATCH: each page is to be followed by its STATE.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, *, hurried: bool = False, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        self._hurried = hurried
        self.bookmarks = Bookmarks({})
        self._pace = StatePace()
        self._last_state: dict[str, Any] | None = None
        super().__init__(**kwargs)

    def discover_streams(self) -> list[Stream]:
        """Return the streams; neither network nor credentials are needed."""
        return [stream(tap=self) for stream in STREAMS]

    @property
    def streams(self) -> dict[str, Stream]:
        """The streams in the order in which they are synced."""
        order = [vars(stream)["name"] for stream in STREAMS]
        return dict(sorted(super().streams.items(), key=lambda named: order.index(named[0])))

    def load_state(self, state: dict[str, Any]) -> None:
        """Take the progress from a Singer state; what cannot be read restarts its job."""
        self.bookmarks = Bookmarks(state)
        if self.bookmarks.unreadable:
            self.logger.warning(
                "State: %d entr(ies) of 'export_items' cannot be read; their jobs are read again from the first page",
                self.bookmarks.unreadable,
            )
        if self.bookmarks:
            self.state.update(self.bookmarks.to_state())  # type: ignore[typeddict-item]

    @property
    def oauth_scopes(self) -> set[str]:
        """The OAuth scopes of all streams."""
        return {stream.oauth_scope for stream in STREAMS if stream.oauth_scope}

    @cached_property
    def outcome(self) -> RunOutcome:
        """What becomes of the run."""
        return RunOutcome(self.logger)

    @cached_property
    def reader(self) -> ExportReader:
        """The run's reading of Pleo."""
        return ExportReader(
            Run(
                export_jobs=self._stream(ExportJobs),
                export_job_items=self._stream(ExportJobItems),
                export_items=self._stream(ExportItems),
                page_size=self.config["page_size"],
                scope=Scope(self.config.get("job_ids", ()), frozenset(self.config["item_statuses"])),
                bookmarks=self.bookmarks,
                outcome=self.outcome,
                logger=self.logger,
                reads_export_items=self._stream(ExportItems).selected,
            )
        )

    def write_state_if_due(self) -> None:
        """Write a STATE message unless the last one still outweighs what has been written since."""
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

    def run(self) -> int:
        """Sync all selected streams and return the exit code."""
        self.interrupts.install()
        try:
            self.sync_all()
        finally:
            self.close()
        return self.report()

    def report(self) -> int:
        """Name the jobs that could not be read and return the exit code."""
        if summary := self.outcome.summary():
            self.logger.error(summary)
        return self.outcome.exit_code

    @classmethod
    def execute(cls, *, state: Any = None, catalog: Any = None, **settings: Any) -> int:  # noqa: ANN401 - open files, and the SDK's arguments
        """Sync with what the command line gave, and return the exit code.

        Raises:
            click.ClickException: A file cannot be used.
        """
        given = json_file(catalog, "--catalog")
        if given is not None and (problem := catalog_problem(given)):
            raise click.ClickException(f"--catalog: {catalog.name}: {problem}")
        return cls(state=json_file(state, "--state"), catalog=given, **settings).run()

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:  # noqa: ARG003 - the SDK's signature
        """Test the connection, in seconds: read one record of each stream and write none, or write the schemas only."""
        if value == CliTestOptionValue.Disabled.value:
            return
        config = ctx.params["config"]
        if value == CliTestOptionValue.Schema.value:
            cls(config=config.config, parse_env_config=config.parse_env).write_schemas()
            ctx.exit()
        with Path(os.devnull).open("wb", buffering=0) as nowhere:
            tap = cls(
                hurried=True,
                config=config.config,
                parse_env_config=config.parse_env,
                message_writer=LineWriter(stream=nowhere),
            )
            try:
                tap.run_connection_test()
                tap.logger.info("Connected to %s: %d export job(s)", tap.config["api_url"], len(tap.reader.jobs))
            finally:
                tap.close()
        ctx.exit(tap.report())

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """As every plugin; who waits at a terminal wants an answer, not a second attempt, and nothing fetched ahead."""
        warnings = super()._validate_config(raise_errors=raise_errors)
        if self._hurried:
            longest = min(self.config["request_timeout"], HURRIED_SECONDS)
            self._config |= {"max_retries": 0, "max_concurrent_requests": 1, "request_timeout": longest}
        return warnings

    def _stream(self, kind: type[S]) -> S:
        return next(stream for stream in self.streams.values() if isinstance(stream, kind))


def cli() -> None:
    """Run the executable `tap-pleo-export`."""
    main(TapPleoExport)
