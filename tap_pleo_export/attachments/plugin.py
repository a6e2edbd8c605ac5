"""map-pleo-attachments: a Singer mapper that archives the files of export items."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from logging import ERROR, INFO, WARNING
from typing import IO, TYPE_CHECKING, Any, ClassVar

from tap_pleo_export.attachments import messages
from tap_pleo_export.attachments.errors import StoreUnusable
from tap_pleo_export.attachments.pipeline import Pipeline
from tap_pleo_export.attachments.watch import Watch
from tap_pleo_export.pleo_plugin import setting_rules, settings
from tap_pleo_export.singer.command_line import main, refuse
from tap_pleo_export.singer.mapper import StreamMapper
from tap_pleo_export.singer.message_reader import InputError
from tap_pleo_export.singer.progress import progress

if TYPE_CHECKING:
    from tap_pleo_export.attachments.archiver import Archiver, FileOutcome
    from tap_pleo_export.singer.message_reader import InputMessage

# The SDK declares a dict, our reader passes an InputMessage.
Message = Any
# Files in progress together, counted from the first one that is not done.
LOOKAHEAD = 64
# Failures logged one by one; the rest is counted.
MAX_NAMED = 50
# How soon a line is written once its files are done, while no other line arrives.
TICK_SECONDS = 0.05
# Of its progress: below that of the tap.
_ROW = 1


class AttachmentsMapper(StreamMapper):
    """Stores the files of every export item before their links expire."""

    name = "map-pleo-attachments"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.ATTACHMENT_SETTINGS
    mapped_stream = messages.ITEMS
    purpose = "stored"
    expected_errors = (*StreamMapper.expected_errors, StoreUnusable)

    def __init__(self, *, output: IO[bytes] | None = None, **plugin: Any) -> None:  # noqa: ANN401 - the SDK's own
        """Open the destination; arguments and errors as in the base class."""
        # Its log lines contain hosts and paths.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        super().__init__(output=output, tick=self._tick, **plugin)
        for line in settings.unknown_settings(self.config, self.config_jsonschema):
            self.logger.warning(line)
        self._archiver = self._open_archiver()
        self._pipeline = Pipeline(LOOKAHEAD, in_doubt=self._archiver.in_doubt)
        self._keep_urls = bool(self.config["keep_urls"])
        self._items = 0
        self._failed = 0
        self._watch: Watch | None = None

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add nothing: this mapper does not support the SDK's settings for mappers."""

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings; the SDK has no public hook for this."""
        self._config = settings.given(self._config)
        errors = setting_rules.attachment_problems(self._config, self.config_jsonschema)
        if raise_errors:
            refuse(errors)
        return errors or super()._validate_config(raise_errors=raise_errors)

    def _open_archiver(self) -> Archiver:
        user_agent = str(self.config.get("user_agent", f"{self.name}/{self.plugin_version}"))
        try:
            from tap_pleo_export.attachments.archiver import open_archiver  # noqa: PLC0415 - an extra, and slow to import

            return open_archiver(self.config, user_agent)
        except ImportError:
            refuse(["The package obstore is not installed: pip install obstore"])
            raise
        except StoreUnusable as problem:
            refuse([str(problem)])
            raise

    def map_message(self, message_dict: Message) -> Iterable[Message]:
        """Extend the SCHEMA of export items, archive the files of their records, and pass on everything else."""
        message: InputMessage = message_dict
        self.streams_received[message.stream] = None
        if self._watch:
            self._watch.note(message)
            self._watch.show(self._archiver.stored)
        match message.type, message.stream == messages.ITEMS:
            case "SCHEMA", True:
                self._pass_on(messages.extended_schema(message.members, keep_urls=self._keep_urls))
            case "RECORD", True if item := messages.item(message.unchanged(), message.members):
                self._archive(item, len(message.unchanged()))
            case "BATCH", True:
                raise InputError(
                    f"is a BATCH of {messages.ITEMS}, whose files are not read: switch it off in the tap (batch_config)"
                )
            case "STATE", _:
                self._pass_on(message.unchanged())
                # Write the state as soon as everything before it is written.
                self._pipeline.submit(0, self._writer.flush)
            case _:
                self._pass_on(message.unchanged())
        return ()

    map_schema_message = map_record_message = map_state_message = map_message
    map_activate_version_message = map_batch_message = map_message

    def map_unknown_message(self, message: InputMessage) -> None:
        """Pass the message on."""
        self.map_message(message)

    def process_endofpipe(self) -> None:
        """Write the waiting lines; warn if export items are missing."""
        self._pipeline.finish()
        super().process_endofpipe()

    def _run(self, file_input: IO[bytes] | None) -> int:
        with progress(_ROW, beside_messages=True) as shown:
            self._watch = Watch(shown) if shown else None
            return super()._run(file_input)

    def flush(self) -> None:
        """Write everything that is waiting."""
        self._pipeline.finish()
        super().flush()

    def counts(self) -> dict[str, int]:
        """Return items with files, files stored, and files that failed."""
        return {"items": self._items, "stored": self._archiver.stored, "failed": self._failed}

    def has_failed(self) -> bool:
        """Return whether a file was not stored and `on_failure` is `fail`."""
        return bool(self._failed and self.config["on_failure"] == "fail")

    def finish(self) -> None:
        """Drop unfinished files and log how many were stored."""
        self._archiver.stop()
        self._pipeline.cancel()
        if self._failed > MAX_NAMED:
            self.logger.warning("%d more files are not stored", self._failed - MAX_NAMED)
        # An error that ended the run has a line already.
        mild = self.config["on_failure"] == "warn" or self._archiver.unusable
        level = INFO if not self._failed else WARNING if mild else ERROR
        stored, size = self._archiver.stored, self._archiver.stored_bytes
        summary = "%s: %d items with files, %d files stored (%d bytes), %d not stored"
        self.logger.log(level, summary, messages.ITEMS, self._items, stored, size, self._failed)

    def _pass_on(self, line: bytes) -> None:
        self._pipeline.submit(len(line), lambda: self.write_message(line))

    def _archive(self, item: messages.Item, size: int) -> None:
        calls = [self._archiver.start(file) for file in item.files]

        def emit() -> None:
            outcomes = [self._archiver.outcome(call) for call in calls]
            self.write_message(item.line(outcomes, keep_urls=self._keep_urls))
            self._count(item, outcomes)

        self._pipeline.submit(size, emit, calls)

    def _count(self, item: messages.Item, outcomes: list[FileOutcome]) -> None:
        self._items += 1
        for file, outcome in zip(item.files, outcomes, strict=True):
            if reason := outcome.get("storeError"):
                self._failed += 1
                if self._failed <= MAX_NAMED:
                    self.logger.warning("item %s, file %d is not stored: %s", item.name, file.position, reason)

    def _tick(self) -> float | None:
        if self._watch:
            self._watch.show(self._archiver.stored)
        return TICK_SECONDS if self._pipeline.flush_ready() else None


def cli() -> None:
    """Run the executable `map-pleo-attachments`."""
    main(AttachmentsMapper)


if __name__ == "__main__":
    cli()
