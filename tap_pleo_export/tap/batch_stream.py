"""Streams that are written in batches: the one place that overrides the SDK's private names.

The SDK writes record by record and knows no page; here a page is written whole, then its progress and its STATE. Where
nothing has to look inside a record, its bytes go out as they came in; where stream maps, flattening or deselection are
configured, each record takes the SDK's way. Both are fed by the same batches.
"""

from __future__ import annotations

import abc
import contextlib
import sys
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.streams import RESTStream

from tap_pleo_export.api.errors import PleoError
from tap_pleo_export.api.paging import Token
from tap_pleo_export.singer.command_line import stop
from tap_pleo_export.singer.message_writer import OutputError
from tap_pleo_export.singer.record_decoder import as_dict
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context
    from singer_sdk.metrics import Counter
    from singer_sdk.singerlib.messages import RecordMessage

    from tap_pleo_export.api.pleo_api import PleoApi
    from tap_pleo_export.singer.message_writer import LineWriter
    from tap_pleo_export.singer.signals import Interrupts
    from tap_pleo_export.tap.bookmarks import Bookmarks
    from tap_pleo_export.tap.export_reader import ExportReader
    from tap_pleo_export.tap.outcome import RunOutcome
    from tap_pleo_export.tap.source import Batch

T = TypeVar("T")


class BatchTap(Protocol):
    """What a stream needs of its tap."""

    streams: Mapping[str, Any]
    api: PleoApi
    reader: ExportReader
    outcome: RunOutcome
    bookmarks: Bookmarks
    interrupts: Interrupts
    message_writer: LineWriter
    user_agent: str

    def write_message(self, message: RecordMessage) -> None:
        """Write one message."""

    def write_state(self) -> None:
        """Write a STATE message if the progress has changed since the last."""

    def write_state_if_due(self) -> None:
        """Write a STATE message unless the last one still outweighs what has been written since."""


class RecordLine(msgspec.Struct, gc=False):
    """A RECORD message around a record whose members are bytes already."""

    type: str
    stream: str
    record: Any
    time_extracted: str


class RecordError(Exception):
    """The SDK's way cannot take a record; ``str()`` says which."""


class BatchStream(RESTStream[Token], abc.ABC):
    """A stream that is read and written in batches, with progress of its own making."""

    # Records leave as Pleo sent them: the SDK would drop undeclared members.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    # Old state must not become a list of partitions to sync.
    partitions = None
    # No row of an earlier job is ever to be deleted downstream, whatever the settings.
    emit_activate_version_messages = False

    _tap: BatchTap  # type: ignore[assignment] # as much of the tap as is needed
    _records_left: int | None = None
    _counter: Counter

    @abc.abstractmethod
    def batches(self, context: Context | None) -> Iterator[Batch]:
        """Yield the records of a context in batches that are written together."""

    def child_contexts(self) -> Iterator[Context | None]:
        """Yield the contexts of child streams; none here."""
        yield from ()

    def request_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        """Yield the records one by one, as the SDK knows them."""
        for batch in self.batches(context):
            yield from map(as_dict, batch.records)
            self._note(batch)

    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Do nothing: progress is not the SDK's."""

    def _sync_records(
        self,
        context: Context | None = None,
        *,
        write_messages: bool = True,  # noqa: ARG002 - the SDK's signature
    ) -> Generator[dict[str, Any], Any, Any]:
        """Write the stream's batches, then those of its child streams, context by context."""
        try:
            self._write_all(context)
        except Exception as error:  # noqa: BLE001 - the SDK would add a line to each
            raise stop(self.logger, error, PleoError, RecordError, OutputError) from None
        # A generator by the SDK's contract; nobody looks at the records.
        yield from ()

    def _write_all(self, context: Context | None) -> None:
        try:
            if self.selected:
                with self._counted():
                    self._write_batches(context)
            self._sync_child_streams()
        except OutputError:
            raise
        except BaseException:
            self._tap.write_state()
            raise
        self._tap.write_state()

    def _sync_child_streams(self) -> None:
        """Write each child stream under one SCHEMA and one count: the SDK's way has them anew for each context."""
        children = [s for s in self._tap.streams.values() if s in self.child_streams and s.selected]
        with contextlib.ExitStack() as stack:
            for child in children:
                child.log("Beginning sync of '%s' in %s mode", child.name, child.replication_method.lower())
                child._write_schema_message()  # noqa: SLF001 - its own class
                stack.enter_context(child._counted())  # noqa: SLF001
            contexts = self.child_contexts()
            while children and (context := self._next(contexts)) is not None:
                for child in children:
                    child._write_batches(context)  # noqa: SLF001
                # A connection test wants no more than one record of each.
                children = [child for child in children if child._records_left >= 0]  # noqa: SLF001

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self.get_record_counter() as self._counter, self.get_sync_timer():
            yield

    def _write_batches(self, context: Context | None) -> None:
        """Write the batches of one context, each with its progress and STATE."""
        if self._records_left is None:
            self._records_left = sys.maxsize if self.ABORT_AT_RECORD_COUNT is None else self.ABORT_AT_RECORD_COUNT
        batches = self.batches(context)
        while (batch := self._next(batches)) is not None:
            left, self._records_left = self._records_left, self._records_left - len(batch.records)
            self._write(batch.records[:left])
            self._counter.increment(min(left, len(batch.records)))
            if self._records_left < 0:
                return
            self._note(batch)
            self._tap.write_state_if_due()

    def _note(self, batch: Batch) -> None:
        if batch.job_id and batch.progress:
            self._tap.bookmarks.set(batch.job_id, batch.progress)

    def _next(self, results: Iterator[T]) -> T | None:
        with self._tap.interrupts.allowed():
            return next(results, None)

    def _write(self, records: Iterable[Any]) -> None:
        if self._as_it_came:
            now = datetime.now(UTC).isoformat()
            self._tap.message_writer.write_messages(RecordLine("RECORD", self.name, record, now) for record in records)
        else:
            for record in records:
                for message in self._in_the_sdks_way(record):
                    self._tap.write_message(message)

    def _in_the_sdks_way(self, record: Any) -> list[RecordMessage]:  # noqa: ANN401 - a record_type made at run time
        try:
            return list(self._generate_record_messages(as_dict(record)))
        except (RecursionError, msgspec.ValidationError):
            why = (
                "is nested too deeply, or has too long a number, for stream maps, flattening and deselection. "
                "Run without them; report the record to Pleo"
            )
        except Exception as error:  # noqa: BLE001 - whatever an expression of the user's raises
            why = f"cannot be mapped ({type(error).__name__}: {one_line(str(error))}). Check the setting 'stream_maps'"
        ids = ", ".join(
            f"{k} {one_line(id_)}" for k in self.primary_keys if isinstance(id_ := getattr(record, k, None), str)
        )
        raise RecordError(f"{self.name}: {ids} {why}")

    @cached_property
    def _as_it_came(self) -> bool:
        """Whether the SDK would write each record unchanged."""
        return (
            [type(stream_map) for stream_map in self.stream_maps] == [SameRecordTransform]
            and self.stream_maps[0].stream_alias == self.name
            and not self.stream_maps[0].flattening_enabled
            and all(self.mask.values())
        )
