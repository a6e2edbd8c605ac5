"""The target: records in, what became of each item reported to Pleo."""

from __future__ import annotations

import copy
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
from tap_pleo_export.tap.bookmarks import Bookmarks
from tap_pleo_export.target.acknowledgement import Acknowledgement
from tap_pleo_export.target.sinks import SINKS
from tap_pleo_export.target.tally import Tally
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection

    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_pleo_export.singer.message_reader import InputMessage
    from tap_pleo_export.target.reporter import Reporter
    from tap_pleo_export.target.sinks import ReportingSink

SCOPES = ("export-jobs:read", "export-jobs:write")


class TargetPleoExport(PleoPlugin, Target):
    """Reports to Pleo what became of export job items, and completes export jobs."""

    name = "target-pleo-export"
    package_name = "tap-pleo-export"
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(settings.TARGET_SETTINGS)
    # Validation, stream maps, flattening and load methods would be settings that this target does not honour.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [PluginCapabilities.ABOUT, PluginCapabilities.STRUCTURED_LOGGING]
    oauth_scopes: ClassVar[Collection[str]] = SCOPES
    grace = 10.0

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        self._tally = Tally()
        self._unreadable = False
        self._acknowledgement = Acknowledgement()
        super().__init__(
            message_reader=MessageReader(unknown=_refuse_type, tick=self._tick), setup_mapper=False, **kwargs
        )
        self._writer = LineWriter(
            shield=self.interrupts.shielded, reader_gone="the process that reads this target's states has ended"
        )

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add nothing: the SDK's settings for targets have no meaning here."""

    @cached_property
    def reporter(self) -> Reporter:
        """The run's reporting, made when the first record comes."""
        from tap_pleo_export.api.retry import RetryPolicy  # noqa: PLC0415
        from tap_pleo_export.target.api import ReportingApi  # noqa: PLC0415 - HTTP is slow to import
        from tap_pleo_export.target.jobs import Jobs  # noqa: PLC0415
        from tap_pleo_export.target.reporter import Reporter  # noqa: PLC0415
        from tap_pleo_export.target.run import Run  # noqa: PLC0415

        headers = {"Accept": "application/json", "User-Agent": self.user_agent}
        api = ReportingApi(self.api, headers, self.config["request_timeout"])
        run = Run(
            api=api,
            jobs=Jobs(api),
            tally=self._tally,
            acknowledgement=self._acknowledgement,
            logger=self.logger,
            policy=RetryPolicy(max_retries=self.config["max_retries"]),
            sleep=self.interrupts.sleep,
            shielded=self.interrupts.shielded,
            passed_on=self._pass_states,
            start_jobs=self.config["start_jobs"],
            dry_run=self.config["dry_run"],
        )
        return Reporter(run, batch_size=self.config["batch_size"], complete_jobs=self.config["complete_jobs"])

    def get_sink_class(self, stream_name: str) -> type[ReportingSink]:
        """Return the sink of a stream.

        Raises:
            InputError: The target takes no such stream.
        """
        for sink in SINKS:
            if sink.name == stream_name:
                return sink
        raise InputError(
            f"is of the stream '{one_line(stream_name)}', which is none of {', '.join(sink.name for sink in SINKS)}: "
            "put the mapping 'pleo-failures' before this target, or select nothing else"
        )

    def refused(self) -> None:
        """Count a record that is refused unsent."""
        self._tally.refused += 1

    def process_endofpipe(self) -> None:
        """Send what waits, and complete jobs."""
        self.reporter.finish()

    def run(self, file_input: IO[bytes] | None) -> int:
        """Report all records, end with one line about it, and return the exit code.

        Raises:
            SystemExit: 128 + n on signal n.
        """
        self.interrupts.install()
        try:
            whole = run_reader(self.logger, self.interrupts, lambda: self._listen(file_input), OutputError, PleoError)
        finally:
            self.close()
            self._sum_up()
        return 1 if self._tally.refused or self._unreadable or not whole else 0

    def _listen(self, file_input: IO[bytes] | None) -> None:
        try:
            self.listen(file_input)  # type: ignore[arg-type] # bytes, as our reader wants them
        except InputError as problem:
            # Whatever becomes of what came before it.
            self.logger.error("%s", problem)  # noqa: TRY400 - a user reads a line, not a traceback
            self._unreadable = True
            self.reporter.flush()

    def _sum_up(self) -> None:
        self.logger.info(self._tally.summary(self._acknowledgement.unsettled, dry_run=self.config["dry_run"]))

    def _tick(self) -> float | None:
        return self.reporter.tick() if "reporter" in vars(self) else None

    def _pass_states(self) -> None:
        """Pass on the newest state that covers nothing unsettled."""
        state = self._acknowledgement.due()
        # After a dry run the real one is to see everything again.
        if state is not None and not self.config["dry_run"]:
            self._writer.write_messages((state,))

    def _process_schema_message(self, message_dict: InputMessage) -> None:  # type: ignore[override] # our reader's
        """Know the stream from now on."""
        sink = self.get_sink_class(_stream_of(message_dict))
        if not self.sink_exists(sink.name):
            self.add_sink(sink.name, sink.declared(), None)

    def _process_record_message(self, message_dict: InputMessage) -> None:  # type: ignore[override] # our reader's
        """Hand a record to its stream's sink."""
        name = self.get_sink_class(_stream_of(message_dict)).name
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
        """Pass a state on, once what came before it is settled."""
        try:
            value = bytes(message_dict.members["value"])
            # Those who read it would stumble over anything else.
            str(value, "utf-8")
            complete = self._complete_in(decode(value)) if self.config["complete_jobs"] else ()
        except (KeyError, ValueError, RecursionError):
            raise InputError("is a STATE without a value that can be read") from None
        self.reporter.state(value, message_dict.number, complete)

    def _process_activate_version_message(self, message_dict: InputMessage) -> None:  # type: ignore[override]
        """Versions mean nothing to Pleo."""

    def _process_batch_message(self, message_dict: InputMessage) -> None:  # type: ignore[override]  # noqa: ARG002 - ours
        """Refuse batches."""
        raise InputError("is a BATCH, which this target does not read: switch batches off in the tap (batch_config)")

    @staticmethod
    def _complete_in(state: object) -> list[str]:
        """Return the jobs that a state of the tap calls complete; other states name none."""
        bookmarks = Bookmarks(state)
        return [id_ for id_ in bookmarks.job_ids() if bookmarks.is_complete(id_) and PLAIN_UUID.fullmatch(id_)]

    @classmethod
    def execute(cls, *, file_input: IO[bytes] | None = None, **plugin: Any) -> int:  # noqa: ANN401 - the SDK's own
        """Report with what the command line gave, and return the exit code."""
        return cls(**plugin).run(file_input)


def _stream_of(message: InputMessage) -> str:
    if message.stream is None:
        raise InputError("names no stream")
    return message.stream


def _refuse_type(_message: InputMessage) -> None:
    raise InputError("has a message type that this target does not know")


def cli() -> None:
    """Run the executable `target-pleo-export`."""
    main(TargetPleoExport)
