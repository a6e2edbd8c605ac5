"""map-pleo-validation: a Singer mapper that validates export items."""

from __future__ import annotations

from logging import INFO, WARNING
from typing import IO, TYPE_CHECKING, Any, ClassVar

from tap_pleo_export.singer.command_line import main, refuse
from tap_pleo_export.singer.mapper import StreamMapper
from tap_pleo_export.singer.message_reader import InputError, InputMessage
from tap_pleo_export.validation import Settings, SettingsError, Validator, parse_settings
from tap_pleo_export.validation.messages import ITEMS, UPDATES, ItemMapping
from tap_pleo_export.validation.settings import settings_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_pleo_export.singer.exact_json import Members


class ValidationMapper(StreamMapper):
    """Adds to every export item the result of the checks that Pleo requires before recording."""

    name = "map-pleo-validation"
    mapped_stream = ITEMS
    purpose = "validated"
    config_jsonschema: ClassVar[dict[str, Any]] = settings_schema()

    settings: Settings

    def __init__(self, *, output: IO[bytes] | None = None, **plugin: Any) -> None:  # noqa: ANN401 - the SDK's own
        """Compile the settings; arguments and errors as in the base class."""
        super().__init__(output=output, **plugin)
        self._items = ItemMapping(self.settings, Validator(self.settings, self.logger.warning))
        for hint in self.settings.hints:
            self.logger.warning("config %s", hint)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Report mistakes in our own words; the SDK has no public hook for this."""
        self.settings, errors = Settings(), []
        try:
            self.settings = parse_settings(self._config)
        except SettingsError as error:
            errors = [f"config {problem}" for problem in error.problems]
        if raise_errors:
            refuse(errors)
        return errors

    def map_schema_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Extend the SCHEMA of export items."""
        return self._mapped(message_dict, self._items.schema)

    def map_record_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Validate export items."""
        return self._mapped(message_dict, self._items.record)

    def map_activate_version_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # ours
        """Activate the version for separated items as well."""
        return self._mapped(message_dict, self._items.activate_version)

    def map_batch_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Refuse batches of export items."""
        return self._mapped(message_dict, _refuse_batch)

    def map_state_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Pass on the state and write everything up to it."""
        yield message_dict.unchanged()
        self.flush()

    def map_unknown_message(self, message: InputMessage) -> None:
        """Pass on a message of an unknown type, unless only updates are wanted."""
        if not self.settings.only_updates:
            self.write_message(message.unchanged())

    def counts(self) -> dict[str, Any]:
        """Return items, passed and failed ones, and the number of items by check and result."""
        return self._items.counts()

    def has_failed(self) -> bool:
        """Return whether a check could not run."""
        return bool(self._items.broken)

    def finish(self) -> None:
        """Log items by result and check."""
        items, failed = self._items.items, self._items.items["failed"]
        by_check = ", ".join(f"{check} {count} {what}" for (check, what), count in self._items.findings.items())
        if failed and self.settings.on_failure == "drop" and not self.settings.only_updates:
            self.logger.warning("Dropped %d failed items (on_failure: drop)", failed)
        if without_keys := self._items.without_keys:
            self.logger.warning("No update for %d failed items without jobId or accountingEntryId", without_keys)
        if broken := self._items.broken:
            self.logger.error(
                "%d checks could not run (%s): the items are marked as failed, but no update is made for them",
                broken.total(),
                ", ".join(f"{check} {count}" for check, count in broken.items()),
            )
        level = WARNING if failed else INFO
        summary = by_check or "no findings"
        self.logger.log(
            level, "%s: %d items, %d passed, %d failed; %s", ITEMS, items.total(), items["passed"], failed, summary
        )

    def _mapped(self, message: InputMessage, change: Callable[[Members], Iterator[bytes]]) -> Iterable[bytes]:
        self.streams_received[message.stream] = None
        if message.stream == ITEMS:
            return change(message.members)
        if self.settings.only_updates and (message.stream != UPDATES or message.type == "ACTIVATE_VERSION"):
            return ()
        return (message.unchanged(),)


def _refuse_batch(_message: object) -> Iterator[bytes]:
    raise InputError(f"is a BATCH of {ITEMS}, which cannot be validated: turn batches off in the tap (batch_config)")


def cli() -> None:
    """Run the executable `map-pleo-validation`."""
    main(ValidationMapper)


if __name__ == "__main__":
    cli()
