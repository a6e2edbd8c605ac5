"""The target: reads Singer records and reports outcomes of items and jobs to Pleo."""

from __future__ import annotations

import copy
from collections.abc import Collection
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk import Target
from singer_sdk.helpers.capabilities import PluginCapabilities

from tap_pleo_export.api.errors import PleoError
from tap_pleo_export.api.jobs import PLAIN_UUID
from tap_pleo_export.pleo_plugin import settings
from tap_pleo_export.pleo_plugin.plugin import PleoPlugin
from tap_pleo_export.singer.command_line import main
from tap_pleo_export.singer.exact_json import decode
from tap_pleo_export.singer.message_reader import InputError, MessageReader, run_reader
from tap_pleo_export.singer.message_writer import LineWriter, OutputError
from tap_pleo_export.singer.metrics import run_with_summary
from tap_pleo_export.target.run import Acknowledgement, Outcomes, ReportingRun
from tap_pleo_export.target.sinks import SINKS
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_pleo_export.singer.message_reader import InputMessage
    from tap_pleo_export.target.reporter import Reporter
    from tap_pleo_export.target.sinks import ReportingSink

SCOPES = ("export-jobs:read", "export-jobs:write")


class TargetPleoExport(PleoPlugin, Target):
    """Reports outcomes of export job items to Pleo, and completes export jobs."""

    name = "target-pleo-export"
    package_name = "tap-pleo-export"
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(settings.TARGET_SETTINGS)
    # Others, such as stream maps and flattening, would bring settings that this target ignores.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [PluginCapabilities.ABOUT, PluginCapabilities.STRUCTURED_LOGGING]
    oauth_scopes: ClassVar[Collection[str]] = SCOPES
    grace = 10.0

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        super().__init__(
            message_reader=MessageReader(unknown=_refuse_type, tick=self._tick), setup_mapper=False, **kwargs
        )
        self.outcomes = Outcomes(self.logger, Acknowledgement())
        self._unreadable = False
        self._writer = LineWriter(
            shield=self.interrupts.shielded, reader_gone="the process that reads this target's states has ended"
        )

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add nothing: this target does not use the SDK's settings."""

    @cached_property
    def reporter(self) -> Reporter:
        """The run's reporter."""
        # HTTP is slow to import.
        from tap_pleo_export.api.retry import RetryPolicy  # noqa: PLC0415
        from tap_pleo_export.target.api import ReportingApi  # noqa: PLC0415
        from tap_pleo_export.target.reporter import Reporter  # noqa: PLC0415

        run = ReportingRun(
            api=ReportingApi(self.api),
            outcomes=self.outcomes,
            policy=RetryPolicy(max_retries=self.config["max_retries"]),
            sleep=self.interrupts.sleep,
            shielded=self.interrupts.shielded,
            pass_states=self._pass_states,
            start_jobs=self.config["start_jobs"],
            dry_run=self.config["dry_run"],
        )
        return Reporter(run, batch_size=self.config["batch_size"], complete_jobs=self.config["complete_jobs"])

    def get_sink_class(self, stream_name: str) -> type[ReportingSink]:
        """Return the sink of a stream; raise InputError if the stream is unknown."""
        if stream_name not in SINKS:
            raise InputError(
                f"has the stream '{one_line(stream_name)}', expected {' or '.join(SINKS)}: put the mapping "
                "'pleo-failures' before this target, or select only these streams"
            )
        return SINKS[stream_name]

    def process_endofpipe(self) -> None:
        """Send waiting updates, and complete jobs."""
        self.reporter.finish()

    def run(self, file_input: IO[bytes] | None) -> int:
        """Report all records, end with a summary, and return the exit code; a signal raises SystemExit."""
        return run_with_summary(self.name, lambda: self._run(file_input), self.outcomes.counts)

    def _run(self, file_input: IO[bytes] | None) -> int:
        self.interrupts.install()
        try:
            whole = run_reader(self.logger, self.interrupts, lambda: self._listen(file_input), OutputError, PleoError)
        finally:
            self.close()
            for name in SINKS.keys() & self._sinks_active.keys():
                self.get_sink(name).clean_up()
            self.logger.info(self.outcomes.summary(dry_run=self.config["dry_run"]))
        return 1 if self.outcomes.refused or self._unreadable or not whole else 0

    def _listen(self, file_input: IO[bytes] | None) -> None:
        try:
            self.listen(file_input)  # type: ignore[arg-type] # bytes, as our reader wants them
        except InputError as problem:
            # Logged first: sending the records before it may fail.
            self.logger.error("%s", problem)  # noqa: TRY400 - a user reads a line, not a traceback
            self._unreadable = True
            self.reporter.flush()

    def _tick(self) -> float | None:
        return self.reporter.tick() if "reporter" in vars(self) else None

    def _pass_states(self) -> None:
        """Pass on the newest state that covers only settled records."""
        state = self.outcomes.acknowledgement.due()
        # After a dry run, the real run must see everything again.
        if state is not None and not self.config["dry_run"]:
            self._writer.write_messages((state,))

    def _process_schema_message(self, message_dict: InputMessage) -> None:  # type: ignore[override] # our reader's
        """Accept records of the stream from now on."""
        name = _stream_of(message_dict)
        schema = self.get_sink_class(name).declared()
        if not self.sink_exists(name):
            self.add_sink(name, schema)

    def _process_record_message(self, message_dict: InputMessage) -> None:  # type: ignore[override] # our reader's
        """Pass a record to its stream's sink."""
        name = _stream_of(message_dict)
        self.get_sink_class(name)
        if not self.sink_exists(name):
            raise InputError(f"is a record of '{name}' before its SCHEMA")
        try:
            record = decode(message_dict.members["record"])
        except (KeyError, ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise InputError("has no record that is an object")
        self.get_sink(name).process_record(record, {"line": message_dict.number})

    def _process_state_message(self, message_dict: InputMessage) -> None:  # type: ignore[override] # our reader's
        """Pass a state on once the records before it are settled."""
        try:
            value = bytes(message_dict.members["value"])
            # Readers of the state require UTF-8.
            str(value, "utf-8")
            complete = _complete_jobs(decode(value)) if self.config["complete_jobs"] else ()
        except (KeyError, ValueError, RecursionError):
            raise InputError("is a STATE without a readable value") from None
        self.reporter.state(value, message_dict.number, complete)

    def _process_activate_version_message(self, message_dict: InputMessage) -> None:  # type: ignore[override]
        """Ignore versions: Pleo has none."""

    def _process_batch_message(self, message_dict: InputMessage) -> None:  # type: ignore[override]  # noqa: ARG002 - ours
        """Refuse batches."""
        raise InputError("is a BATCH, which this target does not support: turn batches off in the tap (batch_config)")

    @classmethod
    def execute(cls, *, file_input: IO[bytes] | None = None, **plugin: Any) -> int:  # noqa: ANN401 - the SDK's own
        """Run with the arguments of the command line, and return the exit code."""
        return cls(**plugin).run(file_input)


def _complete_jobs(state: object) -> list[str]:
    """Return the jobs that a state of the tap calls complete; states of other taps have none."""
    job_ids = []
    match state:
        case {"bookmarks": {"export_items": {"partitions": [*entries]}}}:
            for entry in entries:
                match entry:
                    case {"context": {"jobId": str(job_id)}, "complete": True} if PLAIN_UUID.fullmatch(job_id):
                        job_ids.append(job_id)
    return job_ids


def _stream_of(message: InputMessage) -> str:
    if message.stream is None:
        raise InputError("names no stream")
    return message.stream


def _refuse_type(_message: InputMessage) -> None:
    raise InputError("has an unknown message type")


def cli() -> None:
    """Run the executable `target-pleo-export`."""
    main(TargetPleoExport)
