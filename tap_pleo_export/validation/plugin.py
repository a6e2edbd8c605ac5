"""map-pleo-validation: the Singer shell around the validation of export items."""

from __future__ import annotations

from logging import INFO, WARNING
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk import InlineMapper
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities

from tap_pleo_export.singer.command_line import CommandLine, main, refuse
from tap_pleo_export.singer.message_reader import BUFFER, InputError, InputMessage, LineReader, read_through
from tap_pleo_export.singer.message_writer import LineWriter, OutputError
from tap_pleo_export.singer.metrics import name_streams, run_with_summary
from tap_pleo_export.singer.redaction import guard_logs
from tap_pleo_export.singer.signals import Interrupts
from tap_pleo_export.text import one_line
from tap_pleo_export.validation import Settings, SettingsError, Validator, parse_settings
from tap_pleo_export.validation.messages import ITEMS, UPDATES, ItemMapping
from tap_pleo_export.validation.settings import settings_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_pleo_export.singer.exact_json import Members


class ValidationMapper(CommandLine, InlineMapper):
    """Annotates every export item with the outcome of the checks that Pleo requires before recording."""

    name = "map-pleo-validation"
    package_name = "tap-pleo-export"
    config_jsonschema: ClassVar[dict[str, Any]] = settings_schema()
    # Stream maps and flattening would be settings that this mapper does not honour.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    settings: Settings

    def __init__(self, *, output: IO[bytes] | None = None, **plugin: Any) -> None:  # noqa: ANN401 - the SDK's own
        """Compile the settings.

        Args:
            output: Where messages go, a binary stream without a buffer; by default standard output.
            plugin: What the SDK's mapper takes.

        Raises:
            ConfigValidationError: With every mistake in the settings.
        """
        guard_logs()
        name_streams()
        self._interrupts = Interrupts()
        self._writer = LineWriter(
            hold=BUFFER, shield=self._interrupts.shielded, reader_gone="the loader stopped reading", stream=output
        )
        reader = LineReader(unknown=self._pass_unknown)
        super().__init__(message_reader=reader, message_writer=self._writer, **plugin)
        self._items = ItemMapping(self.settings, Validator(self.settings, self._warn_of_method))
        self._warned_of_method = False
        self._streams: dict[str | None, None] = {}
        for hint in self.settings.hints:
            self.logger.warning("config %s", hint)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Judge the settings in our own words: the one hook of the SDK that is not public."""
        self.settings, errors = Settings(), []
        try:
            self.settings = parse_settings(self._config)
        except SettingsError as mistake:
            errors = [f"config {problem}" for problem in mistake.problems]
        if raise_errors:
            refuse(errors)
        return errors

    def map_schema_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Extend the SCHEMA of export items; others pass."""
        return self._mapped(message_dict, self._items.schema)

    def map_record_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Judge export items; other records pass."""
        return self._mapped(message_dict, self._items.record)

    def map_activate_version_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # ours
        """Pass the version on, also to the items set aside."""
        return self._mapped(message_dict, self._items.activate_version)

    def map_batch_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Refuse batches of export items; others pass."""
        return self._mapped(message_dict, _refuse_batch)

    def map_state_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Pass the state on, and everything before it."""
        yield message_dict.unchanged()
        self._writer.flush()

    def run(self, file_input: IO[bytes] | None) -> int:
        """Map all messages, end with one line about it, and return the exit code.

        Raises:
            SystemExit: 128 + n on signal n.
        """
        return run_with_summary(self.name, lambda: self._run(file_input), self._items.counts)

    def _run(self, file_input: IO[bytes] | None) -> int:
        self._interrupts.install()
        try:
            whole = read_through(
                self.logger, self._interrupts, lambda: self._listen(file_input), InputError, OutputError
            )
        finally:
            self._sum_up()
        return 1 if self._items.broken or not whole else 0

    def flush(self) -> None:
        """Write what is held, as at each STATE."""
        self._writer.flush()

    def process_endofpipe(self) -> None:
        """Warn if there was nothing to validate."""
        if not self._items.schema_seen:
            came = one_line(", ".join(sorted(name for name in self._streams if name)) or "none")
            self.logger.warning("no %s came by, nothing was validated; streams that did: %s", ITEMS, came)

    def _listen(self, file_input: IO[bytes] | None) -> None:
        try:
            self.listen(file_input)  # type: ignore[arg-type] # bytes, as our reader wants them
        finally:
            self._writer.flush()

    def _mapped(self, message: InputMessage, change: Callable[[Members], Iterator[bytes]]) -> Iterable[bytes]:
        self._streams[message.stream] = None
        if message.stream == ITEMS:
            return change(message.members)
        if self.settings.only_updates and (message.stream != UPDATES or message.type == "ACTIVATE_VERSION"):
            return ()
        return (message.unchanged(),)

    def _pass_unknown(self, message: InputMessage) -> None:
        if not self.settings.only_updates:
            self.write_message(message.unchanged())

    def _warn_of_method(self, record: dict[str, Any]) -> None:
        if not self._warned_of_method:
            self._warned_of_method = True
            entry = one_line(str(record.get("accountingEntryId")))
            self.logger.warning(
                "item %s has a bookkeeping method that Pleo does not document: recorded as journal", entry
            )

    def _sum_up(self) -> None:
        items, failed = self._items.items, self._items.items["failed"]
        by_check = ", ".join(f"{check} {count} {what}" for (check, what), count in self._items.findings.items())
        if failed and self.settings.on_failure == "drop" and not self.settings.only_updates:
            self.logger.warning("%d failed items were dropped (on_failure: drop)", failed)
        if self._items.without_keys:
            self.logger.warning(
                "%d failed items have no jobId or accountingEntryId, so no update", self._items.without_keys
            )
        if broken := self._items.broken:
            self.logger.error(
                "%d time(s) a check could not be made (%s): the items are marked as failed and make no update",
                broken.total(),
                ", ".join(f"{check} {count}" for check, count in broken.items()),
            )
        self.logger.log(
            WARNING if failed else INFO,
            "%s: %d items, %d passed, %d failed; %s",
            ITEMS,
            items.total(),
            items["passed"],
            failed,
            by_check or "no findings",
        )

    @classmethod
    def execute(cls, *, file_input: IO[bytes] | None = None, **settings: Any) -> int:  # noqa: ANN401 - the SDK's own
        """Map with what the command line gave, and return the exit code."""
        return cls(**settings).run(file_input)


def _refuse_batch(_message: object) -> Iterator[bytes]:
    raise InputError(f"is a BATCH of {ITEMS}, which cannot be checked: switch batches off in the tap (batch_config)")


def cli() -> None:
    """Run the executable `map-pleo-validation`."""
    main(ValidationMapper)


if __name__ == "__main__":
    cli()
