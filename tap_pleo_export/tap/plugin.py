"""The tap as a Singer plugin: settings, streams, command line."""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.tap_base import CliTestOptionValue

from tap_pleo_export.pleo_plugin import settings
from tap_pleo_export.singer.catalog import catalog_problem
from tap_pleo_export.singer.command_line import json_file, main
from tap_pleo_export.singer.message_writer import LineWriter
from tap_pleo_export.singer.metrics import run_with_summary
from tap_pleo_export.singer.progress import minutes_left, progress
from tap_pleo_export.tap.completeness import some
from tap_pleo_export.tap.run_reader import RunReader
from tap_pleo_export.tap.stream import ProgressTap
from tap_pleo_export.tap.streams import STREAMS, ExportItems, ExportJobItems, ExportJobs

if TYPE_CHECKING:
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.streams import Stream

    from tap_pleo_export.singer.progress import Progress
    from tap_pleo_export.tap.stream import PleoStream

S = TypeVar("S", bound="PleoStream")

# Request timeout where a person waits for the answer.
QUICK_SECONDS = 10


class TapPleoExport(ProgressTap):
    """Reads export jobs, their job items and full export items from Pleo's Export API v3. Never writes to Pleo."""

    name = "tap-pleo-export"
    # A copy: the SDK adds its own settings to it.
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(settings.SETTINGS)
    message_writer_class = LineWriter
    # No ACTIVATE_VERSION: rows of earlier jobs stay. No BATCH: each page must be followed by its STATE.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, *, quick: bool = False, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        self._quick = quick
        super().__init__(**kwargs)

    def discover_streams(self) -> list[Stream]:
        """Return the streams; this needs neither network nor credentials."""
        return [stream(tap=self) for stream in STREAMS]

    @property
    def streams(self) -> dict[str, Stream]:
        """The streams in the order in which they are synced."""
        order = [vars(stream)["name"] for stream in STREAMS]
        return dict(sorted(super().streams.items(), key=lambda named: order.index(named[0])))

    @property
    def oauth_scopes(self) -> set[str]:
        """The OAuth scopes of all streams."""
        return {stream.oauth_scope for stream in STREAMS if stream.oauth_scope}

    @cached_property
    def reader(self) -> RunReader:
        """The reader of the run's jobs."""
        jobs, export_items = self._stream(ExportJobs), self._stream(ExportItems)
        return RunReader(
            settings=self.config,
            bookmarks=self.bookmarks,
            outcome=self.outcome,
            export_jobs=jobs.listing(None),
            fetch_job=jobs.fetch_job,
            job_items=self._stream(ExportJobItems).listing,
            export_items=export_items.listing,
            reads_export_items=export_items.selected,
        )

    def run(self) -> int:
        """Sync all selected streams, write the run summary, and return the exit code."""
        self.interrupts.install()
        return run_with_summary(self.name, self._sync, self._counts)

    def _sync(self) -> int:
        with contextlib.closing(self), progress(beside_messages=True) as self.progress:
            self.sync_all()
        return self.report()

    def show_progress(self, progress: Progress, job_id: str) -> None:
        """Show the number of the job, the items of all jobs so far, and the minutes that the job has left."""
        place, before = self._places[job_id]
        job, noted, total = self.reader.jobs[place], self.bookmarks.get(job_id), self._places[""][1]
        done = before + min(noted.items if noted else 0, job.number_of_items or 0)
        label, counted = f"Job {place + 1} of {len(self.reader.jobs)}", f"{done} of {total} items"
        progress.show(label, done, total, minutes_left(job.expires_at), counted)

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        """Each job's place, and the number of items of the jobs before it; those of all jobs for the id ""."""
        jobs = self.reader.jobs
        before = itertools.accumulate((job.number_of_items or 0 for job in jobs), initial=0)
        return {
            job_id: (place, items)
            for place, (job_id, items) in enumerate(zip([*(job.id for job in jobs), ""], before, strict=True))
        }

    def _counts(self) -> dict[str, int]:
        jobs = vars(self.reader).get("jobs", ()) if "reader" in vars(self) else ()
        return {
            "jobs": len(jobs),
            "failed": len(self.outcome.unread),
            "expiring": len(self.outcome.expiring),
            "items": self.outcome.items,
            "pages": self.outcome.pages,
        }

    def report(self) -> int:
        """Log which jobs could not be read and return the exit code."""
        if unread := self.outcome.unread:
            self.logger.error("%d export job(s) could not be read to the end, see above: %s", len(unread), some(unread))
        return self.outcome.exit_code

    @classmethod
    def execute(cls, *, state: Any = None, catalog: Any = None, **settings: Any) -> int:  # noqa: ANN401 - open files, and the SDK's arguments
        """Sync with the command line's options, and return the exit code."""
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
        settings = {"config": config.config, "parse_env_config": config.parse_env}
        with Path(os.devnull).open("wb", buffering=0) as nowhere:
            tap = cls(quick=True, message_writer=LineWriter(stream=nowhere), **settings)
            with contextlib.closing(tap):
                tap.run_connection_test()
                tap.logger.info("Connected to %s: %d export job(s)", tap.config["api_url"], len(tap.reader.jobs))
        ctx.exit(tap.report())

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Validate as every plugin; a connection test answers quickly, without retries or pages fetched ahead."""
        warnings = super()._validate_config(raise_errors=raise_errors)
        if self._quick:
            longest = min(self.config["request_timeout"], QUICK_SECONDS)
            self._config |= {"max_retries": 0, "max_concurrent_requests": 1, "request_timeout": longest}
        return warnings

    def _stream(self, kind: type[S]) -> S:
        return next(stream for stream in self.streams.values() if isinstance(stream, kind))


def cli() -> None:
    """Run the executable `tap-pleo-export`."""
    main(TapPleoExport)
