"""Base class of the mappers: settings, input, output, signals and the exit code."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk import InlineMapper
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities

from tap_pleo_export.singer.command_line import CommandLine
from tap_pleo_export.singer.message_reader import BUFFER, InputError, MessageReader, run_reader
from tap_pleo_export.singer.message_writer import LineWriter, OutputError
from tap_pleo_export.singer.metrics import name_streams, run_with_summary
from tap_pleo_export.singer.redaction import guard_logs
from tap_pleo_export.singer.signals import Interrupts
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from tap_pleo_export.singer.message_reader import InputMessage


class StreamMapper(CommandLine, InlineMapper):
    """A mapper that changes the messages of one stream.

    Attributes:
        mapped_stream: Name of the stream.
        purpose: Past participle for warnings, such as `validated`.
        expected_errors: Exceptions whose text is all that a user needs.
        streams_received: Streams of which a message came, in their order.
    """

    package_name = "tap-pleo-export"
    # The mappers ignore stream maps and flattening, so they do not declare them.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [PluginCapabilities.ABOUT, PluginCapabilities.STRUCTURED_LOGGING]
    mapped_stream: ClassVar[str]
    purpose: ClassVar[str]
    expected_errors: ClassVar[tuple[type[Exception], ...]] = (InputError, OutputError)

    def __init__(
        self,
        *,
        output: IO[bytes] | None = None,
        tick: Callable[[], float | None] | None = None,
        **plugin: Any,  # noqa: ANN401 - the SDK's own
    ) -> None:
        """Read the settings, or raise a ConfigValidationError with every mistake in them.

        Args:
            output: Unbuffered binary stream for messages; by default standard output.
            tick: As :class:`MessageReader` takes it.
            plugin: Arguments of the SDK's mapper.
        """
        guard_logs()
        name_streams()
        self._interrupts = Interrupts()
        self._writer = LineWriter(
            hold=BUFFER, shield=self._interrupts.shielded, reader_gone="the loader stopped reading", stream=output
        )
        self.streams_received: dict[str | None, None] = {}
        reader = MessageReader(unknown=self.map_unknown_message, tick=tick)
        super().__init__(message_reader=reader, message_writer=self._writer, **plugin)

    @abc.abstractmethod
    def map_unknown_message(self, message: InputMessage) -> None:
        """Pass on a message of a type that Singer does not know."""

    @abc.abstractmethod
    def finish(self) -> None:
        """Log the results; called once, however the run ends."""

    @abc.abstractmethod
    def counts(self) -> Mapping[str, object]:
        """Return the counts of the run summary."""

    @abc.abstractmethod
    def has_failed(self) -> bool:
        """Return whether a run that read all its input ends with exit code 1."""

    def flush(self) -> None:
        """Write everything that was mapped so far."""
        self._writer.flush()

    def run(self, file_input: IO[bytes] | None) -> int:
        """Map all messages and return the exit code; SystemExit(128 + n) on signal n."""
        return run_with_summary(self.name, lambda: self._run(file_input), self.counts)

    def process_endofpipe(self) -> None:
        """Warn if the stream is missing from the input."""
        if self.mapped_stream not in self.streams_received:
            received = one_line(", ".join(sorted(name for name in self.streams_received if name)) or "none")
            self.logger.warning(
                "No %s received, so nothing was %s. Streams received: %s", self.mapped_stream, self.purpose, received
            )

    def _run(self, file_input: IO[bytes] | None) -> int:
        self._interrupts.install()
        try:
            whole = run_reader(self.logger, self._interrupts, lambda: self._listen(file_input), *self.expected_errors)
        finally:
            self.finish()
        return 1 if self.has_failed() or not whole else 0

    def _listen(self, file_input: IO[bytes] | None) -> None:
        try:
            self.listen(file_input)  # type: ignore[arg-type] # bytes, as our reader takes them
        except InputError:
            # What precedes the bad line is good.
            self.flush()
            raise
        finally:
            self._writer.flush()

    @classmethod
    def execute(cls, *, file_input: IO[bytes] | None = None, **settings: Any) -> int:  # noqa: ANN401 - the SDK's own
        """Map with the arguments of the command line and return the exit code."""
        return cls(**settings).run(file_input)
