"""map-pleo-validation: the Singer shell around the validation of export items."""

from __future__ import annotations

import signal
import sys
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import InlineMapper
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities

from tap_pleo_export.mapping.items import FAILED, ITEMS, UPDATES, ItemMapping
from tap_pleo_export.mapping.lines import InputError, Line, LineReader, LineWriter, text
from tap_pleo_export.validation import Settings, SettingsError, Validator, parse_settings
from tap_pleo_export.validation.settings import settings_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.singerlib import Message


class ValidationMapper(InlineMapper):
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

    def __init__(self, *, message_writer: LineWriter | None = None, **plugin: Any) -> None:  # noqa: ANN401 - the SDK's own
        """Compile the settings.

        Raises:
            ConfigValidationError: With every mistake in the settings.
        """
        self._writer = message_writer or LineWriter()
        self._reader = LineReader(unknown=self._pass_on)
        super().__init__(message_reader=self._reader, message_writer=self._writer, **plugin)
        self._items = ItemMapping(self.settings, Validator(self.settings, self._warn_of_method))
        self._warned_of_method = False
        self._streams: dict[str | None, None] = {}
        for hint in self.settings.hints:
            self.logger.warning("config %s", hint)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Judge the settings in our own words: the one hook of the SDK that is not public."""
        try:
            self.settings = parse_settings(self._config)
        except SettingsError as mistake:
            errors = [f"config {problem}" for problem in mistake.problems]
            if raise_errors:
                raise ConfigValidationError("Config validation failed", errors=errors, schema={}) from None
            self.settings = Settings()
            return errors
        return []

    def map_schema_message(self, message_dict: dict[str, Any]) -> Iterable[Message]:
        """Extend the SCHEMA of export items; others pass."""
        return self._mapped(message_dict, self._items.schema)

    def map_record_message(self, message_dict: dict[str, Any]) -> Iterable[Message]:
        """Judge export items; other records pass."""
        return self._mapped(message_dict, self._items.record)

    def map_activate_version_message(self, message_dict: dict[str, Any]) -> Iterable[Message]:
        """Pass the version on, also to the items set aside."""
        return self._mapped(message_dict, self._items.activate_version)

    def map_state_message(self, message_dict: dict[str, Any]) -> Iterator[Message]:  # noqa: ARG002 - the line is passed on
        """Pass the state on, and everything before it."""
        yield self._current_line()
        self._writer.flush()

    def map_batch_message(self, message_dict: dict[str, Any]) -> Iterable[Message]:
        """Refuse batches of export items; others pass."""
        return self._mapped(message_dict, _refuse_batch)

    def run(self, file_input: IO[bytes] | None) -> None:
        """Map all messages, and end with one line about it.

        Raises:
            SystemExit: 1 after an error in one line; 128 + n on signal n.
        """
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda number, _frame: self._writer.interrupt(128 + number))
        try:
            try:
                self.listen(file_input)  # type: ignore[arg-type] # bytes, as our reader wants them
            finally:
                self._writer.flush()
                self._sum_up()
        except InputError as problem:
            self._give_up(str(problem))
        except BrokenPipeError:
            self._give_up("the loader stopped reading: its own log says why")
        except OSError as problem:
            self._give_up(f"cannot read or write messages: {problem.strerror}")

    def process_endofpipe(self) -> None:
        """Warn if there was nothing to validate."""
        if not self._items.schema_seen:
            came = ", ".join(sorted(name for name in self._streams if name)) or "none"
            self.logger.warning("no %s came by, nothing was validated; streams that did: %s", ITEMS, came)

    def _mapped(self, message: dict[str, Any], change: Any) -> Iterable[Message]:  # noqa: ANN401
        stream = text(message.get("stream"))
        if stream == ITEMS:
            self._streams[ITEMS] = None
            return map(Line, change(message))
        self._streams[stream] = None
        if stream in (FAILED, UPDATES) and self._items.is_repetition(self._reader.line):
            return ()
        if self.settings.only_updates and stream not in (UPDATES, None):
            return ()
        return (self._current_line(),)

    def _current_line(self) -> Line:
        return Line(self._reader.checked_line())

    def _pass_on(self, message: Message) -> None:
        self.write_message(message)

    def _warn_of_method(self, record: dict[str, Any]) -> None:
        if not self._warned_of_method:
            self._warned_of_method = True
            entry = record.get("accountingEntryId")
            self.logger.warning(
                "item %s has a bookkeeping method that Pleo does not document: recorded as journal", entry
            )

    def _sum_up(self) -> None:
        items, failed = self._items.items, self._items.items["failed"]
        by_check = ", ".join(f"{check} {count} {what}" for (check, what), count in self._items.findings.items())
        self.logger.info(
            "%s: %d items, %d passed, %d failed; %s",
            ITEMS,
            items.total(),
            items["passed"],
            failed,
            by_check or "no findings",
        )
        if failed and self.settings.on_failure == "drop" and not self.settings.only_updates:
            self.logger.warning("%d failed items were dropped (on_failure: drop)", failed)
        if self._items.without_keys:
            self.logger.warning(
                "%d failed items have no jobId or accountingEntryId, so no update", self._items.without_keys
            )

    def _give_up(self, why: str) -> None:
        self.logger.error("%s", why)
        sys.exit(1)

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:  # noqa: ANN401 - the SDK's own
        """Read the settings; a file that cannot be read is a user's fault."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError):
            raise click.ClickException(f"{' or '.join(value)} is no readable JSON object with settings") from None

    @classmethod
    def invoke(  # type: ignore[override] # as the SDK's own is
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,  # noqa: ANN401 - what cb_config returns
        file_input: IO[bytes] | None = None,
    ) -> None:
        """Run from the command line."""
        if about:
            cls.print_about(about_format)
            return
        cls.print_version(cls.logger.info)
        cls(config=config.config, parse_env_config=config.parse_env).run(file_input)
        # The process behind need not wait for this one's interpreter to end.
        sys.stdout.close()


def _refuse_batch(_message: object) -> Iterator[bytes]:
    raise InputError(f"is a BATCH of {ITEMS}, which cannot be checked: switch batches off in the tap (batch_config)")


cli = ValidationMapper.cli

if __name__ == "__main__":
    cli()
