"""Streams that come page by page: the one place that overrides the SDK's private names.

The SDK writes record by record and knows no page; here a page is written whole, then its progress and its STATE. Where
nothing has to look inside a record, its bytes go out as they came in; where stream maps, flattening or deselection are
configured, each record takes the SDK's way. Both are fed by the same pages.
"""

from __future__ import annotations

import abc
import sys
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform

from tap_pleo_export.pleo.errors import PleoError
from tap_pleo_export.records.shape import as_dict
from tap_pleo_export.singer.output import OutputError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from singer_sdk.helpers.types import Context
    from singer_sdk.metrics import Counter
    from singer_sdk.singerlib.messages import RecordMessage

    from tap_pleo_export.reading.reader import Batch
    from tap_pleo_export.tap import TapPleoExport


class RecordLine(msgspec.Struct, gc=False):
    """A RECORD message around a record whose members are bytes already."""

    type: str
    stream: str
    record: Any
    time_extracted: str


class RecordError(Exception):
    """The SDK's way cannot take a record; ``str()`` says which."""


class PagedStream(Stream, abc.ABC):
    """A stream that is read and written in batches, with progress of its own making."""

    # Records leave as Pleo sent them: the SDK would drop undeclared members.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    # Old state must not become a list of partitions to sync.
    partitions = None
    # No row of an earlier job is ever to be deleted downstream, whatever the settings.
    emit_activate_version_messages = False

    keys_read: ClassVar[tuple[str, ...]]
    """Primary keys that Pleo sends."""
    members_read: ClassVar[dict[str, Any]] = {}
    """Further members that the connector reads, with their Python types."""
    members_computed: ClassVar[tuple[str, ...]] = ()
    """Members that the connector adds."""

    _tap: TapPleoExport

    @abc.abstractmethod
    def batches(self) -> Iterator[Batch]:
        """Yield the stream's records in batches."""

    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002 - the SDK's signature
        """Yield the records one by one."""
        for batch in self.batches():
            yield from map(as_dict, batch.records)
            batch.written()

    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Do nothing: progress is not the SDK's."""

    def _sync_records(
        self,
        context: Context | None = None,  # noqa: ARG002 - the SDK's signature
        *,
        write_messages: bool = True,  # noqa: ARG002 - the SDK's signature
    ) -> Generator[dict[str, Any], Any, Any]:
        """Write the stream's pages, each with its progress and STATE."""
        try:
            with self.get_record_counter() as counter, self.get_sync_timer():
                yield from self._write_pages(counter)
        except (PleoError, RecordError) as error:
            self._tap.write_state()
            raise self._stop(error) from None
        except OutputError as error:
            raise self._stop(error) from None
        except SystemExit:
            self._tap.write_state()
            raise
        self._tap.write_state()

    def _write_pages(self, counter: Counter) -> Generator[dict[str, Any], Any, Any]:
        left = sys.maxsize if self.ABORT_AT_RECORD_COUNT is None else self.ABORT_AT_RECORD_COUNT
        batches = self.batches()
        while (batch := self._next(batches)) is not None:
            self._write(islice(batch.records, left))
            counter.increment(min(left, len(batch.records)))
            left -= len(batch.records)
            if left < 0:
                return
            batch.written()
            self._tap.write_state_if_due()
            # A generator by the SDK's contract; nobody looks at the records.
            yield from ()

    def _stop(self, error: Exception) -> SystemExit:
        self.logger.error("%s", error)
        return SystemExit(1)

    def _next(self, batches: Iterator[Batch]) -> Batch | None:
        with self._tap.interrupts.allowed():
            return next(batches, None)

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
            ids = ", ".join(f"{key} {getattr(record, key)}" for key in self.keys_read)
            raise RecordError(
                f"{self.name}: {ids} is nested too deeply, or has too long a number, for stream maps, flattening and "
                "deselection. Run without them; report the record to Pleo"
            ) from None

    @cached_property
    def _as_it_came(self) -> bool:
        """Whether the SDK would write each record unchanged."""
        return (
            [type(stream_map) for stream_map in self.stream_maps] == [SameRecordTransform]
            and self.stream_maps[0].stream_alias == self.name
            and not self.stream_maps[0].flattening_enabled
            and all(self.mask.values())
        )
