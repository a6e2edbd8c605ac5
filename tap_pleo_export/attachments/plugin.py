"""map-pleo-attachments: the Singer shell around keeping the files of export items."""

from __future__ import annotations

import copy
import logging
from logging import ERROR, INFO, WARNING
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk import InlineMapper
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities

from tap_pleo_export.attachments import messages as receipts
from tap_pleo_export.attachments.pipeline import Pipeline
from tap_pleo_export.pleo_plugin import setting_values, settings
from tap_pleo_export.singer.command_line import CommandLine, main, refuse
from tap_pleo_export.singer.message_reader import BUFFER, InputError, InputMessage, MessageReader, run_reader
from tap_pleo_export.singer.message_writer import LineWriter, OutputError
from tap_pleo_export.singer.redaction import guard_logs
from tap_pleo_export.singer.signals import Interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from tap_pleo_export.attachments.archiver import Keeper, Members

# Files that may be ahead of the first one that is not settled yet.
LOOKAHEAD = 64
# Failures that are named one by one; the rest is counted.
MOST_NAMED = 50
# How soon a line leaves once its files are settled, where no other comes.
TICK_SECONDS = 0.05


class AttachmentsMapper(CommandLine, InlineMapper):
    """Stores the files of every export item before their links die."""

    name = "map-pleo-attachments"
    package_name = "tap-pleo-export"
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(settings.ATTACHMENT_SETTINGS)
    # Stream maps and flattening would be settings that this mapper does not honour.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, *, output: IO[bytes] | None = None, **plugin: Any) -> None:  # noqa: ANN401 - the SDK's own
        """Judge the settings, and open the destination.

        Args:
            output: Where messages go, a binary stream without a buffer; by default standard output.
            plugin: What the SDK's mapper takes.

        Raises:
            ConfigValidationError: With every mistake in the settings.
        """
        guard_logs()
        # It names hosts and paths.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._interrupts = Interrupts()
        self._writer = LineWriter(
            hold=BUFFER, shield=self._interrupts.shielded, reader_gone="the loader stopped reading", stream=output
        )
        reader = MessageReader(unknown=self._pass_unknown, tick=self._tick)
        super().__init__(message_reader=reader, message_writer=self._writer, **plugin)
        for line in setting_values.unknown_settings(self.config, self.config_jsonschema):
            self.logger.warning(line)
        self._keeper, self._submit = self._opened()
        self._pipeline = Pipeline(LOOKAHEAD)
        self._keep_urls = bool(self.config["keep_urls"])
        self._streams: dict[str | None, None] = {}
        self._items = 0
        self._failed = 0

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add nothing: the SDK's settings for mappers have no meaning here."""

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Judge the settings in our own words: the one hook of the SDK that is not public."""
        self._config = setting_values.given(self._config)
        errors = setting_values.attachment_problems(self._config, self.config_jsonschema)
        if raise_errors:
            refuse(errors)
        return errors or super()._validate_config(raise_errors=raise_errors)

    def _opened(self) -> tuple[Keeper, Callable[[receipts.File], Future[Members]]]:
        try:
            from tap_pleo_export.attachments.store import Store, StoreUnusable  # noqa: PLC0415 - an extra
        except ImportError:
            refuse(["The extra is not installed: pip install 'tap-pleo-export[attachments]'"])
            raise
        from tap_pleo_export.api.daemon_pool import BackgroundCalls  # noqa: PLC0415
        from tap_pleo_export.api.retry import RetryPolicy  # noqa: PLC0415
        from tap_pleo_export.attachments.archiver import Keeper  # noqa: PLC0415
        from tap_pleo_export.attachments.download import Downloads  # noqa: PLC0415 - HTTP is slow to import

        config = self.config
        threads, timeout, retries = (config[name] for name in ("max_concurrent_downloads", "timeout", "max_retries"))
        try:
            store = Store(config["destination"], endpoint=config.get("endpoint"), timeout=timeout, retries=retries)
        except StoreUnusable as problem:
            refuse([str(problem)])
            raise
        downloads = Downloads(
            allowed=frozenset(host.lower().rstrip(".") for host in config["allow_hosts"]),
            most_bytes=config["max_file_bytes"],
            timeout=timeout,
            threads=threads,
            user_agent=str(config.get("user_agent", f"{self.name}/{self.plugin_version}")),
        )
        keeper = Keeper(downloads, store, RetryPolicy(max_retries=retries))
        calls = BackgroundCalls(threads)
        return keeper, lambda file: calls.submit(keeper.keep, file)

    def map_schema_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Extend the SCHEMA of export items; others pass."""
        if message_dict.stream == receipts.ITEMS:
            self._push(message_dict, receipts.extended_schema(message_dict.members, keep_urls=self._keep_urls))
        else:
            self._push(message_dict)
        return ()

    def map_record_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Keep the files of export items; other records pass."""
        item = None
        if message_dict.stream == receipts.ITEMS:
            item = receipts.item(message_dict.line, message_dict.members)
        if item is None:
            self._push(message_dict)
        else:
            message_dict.unchanged()
            self._keep(item, len(message_dict.line))
        return ()

    def map_activate_version_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # ours
        """Pass the version on."""
        self._push(message_dict)
        return ()

    def map_batch_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Refuse batches of export items; others pass."""
        if message_dict.stream == receipts.ITEMS:
            raise InputError(
                f"is a BATCH of {receipts.ITEMS}, whose files are not seen: switch it off in the tap (batch_config)"
            )
        self._push(message_dict)
        return ()

    def map_state_message(self, message_dict: InputMessage) -> Iterable[bytes]:  # type: ignore[override] # our reader's
        """Pass the state on once everything before it is settled and written."""
        line = message_dict.unchanged()

        def leave() -> None:
            self.write_message(line)
            self._writer.flush()

        self._pipeline.push(len(line), leave)
        return ()

    def process_endofpipe(self) -> None:
        """Settle what waits; warn if there was nothing to keep."""
        self._pipeline.finish()
        if receipts.ITEMS not in self._streams:
            came = ", ".join(sorted(name for name in self._streams if name)) or "none"
            self.logger.warning("no %s came by, nothing was stored; streams that did: %s", receipts.ITEMS, came)

    def run(self, file_input: IO[bytes] | None) -> int:
        """Map all messages, end with one line about it, and return the exit code.

        Raises:
            SystemExit: 128 + n on signal n.
        """
        from tap_pleo_export.attachments.store import StoreUnusable  # noqa: PLC0415 - as above

        self._interrupts.install()
        try:
            whole = run_reader(
                self.logger,
                self._interrupts,
                lambda: self._listen(file_input),
                InputError,
                OutputError,
                StoreUnusable,
            )
        finally:
            self._keeper.stop()
            self._pipeline.abandon()
            self._sum_up()
        failed = self._failed and self.config["on_failure"] == "fail"
        return 1 if failed or not whole else 0

    def flush(self) -> None:
        """Write everything."""
        self._pipeline.finish()
        self._writer.flush()

    def _listen(self, file_input: IO[bytes] | None) -> None:
        try:
            self.listen(file_input)  # type: ignore[arg-type] # bytes, as our reader wants them
        except InputError:
            # What came before it is good.
            self._pipeline.finish()
            raise
        finally:
            self._writer.flush()

    def _push(self, message: InputMessage, line: bytes | None = None) -> None:
        self._streams[message.stream] = None
        whole = message.unchanged() if line is None else line
        self._pipeline.push(len(whole), lambda: self.write_message(whole))

    def _keep(self, item: receipts.Item, size: int) -> None:
        self._streams[receipts.ITEMS] = None
        calls = [self._submit(file) for file in item.files]

        def leave() -> None:
            outcomes = [call.result() for call in calls]
            self.write_message(item.line(outcomes, keep_urls=self._keep_urls))
            self._count(item, outcomes)

        self._pipeline.push(size, leave, calls)

    def _count(self, item: receipts.Item, outcomes: list[Members]) -> None:
        self._items += 1
        for file, outcome in zip(item.files, outcomes, strict=True):
            if reason := outcome.get("storeError"):
                self._failed += 1
                if self._failed <= MOST_NAMED:
                    self.logger.warning("item %s, file %d is not stored: %s", item.name, file.position, reason)

    def _pass_unknown(self, message: InputMessage) -> None:
        self._push(message)

    def _tick(self) -> float | None:
        return TICK_SECONDS if self._pipeline.settle() else None

    def _sum_up(self) -> None:
        if self._failed > MOST_NAMED:
            self.logger.warning("%d more files are not stored", self._failed - MOST_NAMED)
        level = INFO if not self._failed else WARNING if self.config["on_failure"] == "warn" else ERROR
        self.logger.log(
            level,
            "%s: %d items with files, %d files stored (%d bytes), %d not stored",
            receipts.ITEMS,
            self._items,
            self._keeper.stored,
            self._keeper.stored_bytes,
            self._failed,
        )

    @classmethod
    def execute(cls, *, file_input: IO[bytes] | None = None, **settings: Any) -> int:  # noqa: ANN401 - the SDK's own
        """Map with what the command line gave, and return the exit code."""
        return cls(**settings).run(file_input)


def cli() -> None:
    """Run the executable `map-pleo-attachments`."""
    main(AttachmentsMapper)


if __name__ == "__main__":
    cli()
