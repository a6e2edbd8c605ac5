"""The base of the tap and of its streams: pages from Pleo, batches and state to standard output."""

from __future__ import annotations

import abc
import contextlib
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from singer_sdk import Tap
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.streams import RESTStream
from singer_sdk.streams.rest import PageContext

from tap_pleo_export.api.errors import PleoError, RowsUnusable, as_job_error, as_list_error
from tap_pleo_export.api.paging import CursorPaginator, PageDecoder, Token
from tap_pleo_export.api.request import ApiRequest
from tap_pleo_export.pleo_plugin.plugin import PleoPlugin
from tap_pleo_export.singer.command_line import stop
from tap_pleo_export.singer.field_drift import DriftWatch
from tap_pleo_export.singer.message_writer import LineWriter, OutputError, StatePace
from tap_pleo_export.singer.record_decoder import Record, RecordDecoder, as_dict
from tap_pleo_export.tap.bookmarks import Bookmarks
from tap_pleo_export.tap.job_reader import Batch
from tap_pleo_export.tap.outcome import RunOutcome
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context
    from singer_sdk.metrics import Counter
    from singer_sdk.singerlib.messages import RecordMessage

    from tap_pleo_export.api.credentials import Authenticator
    from tap_pleo_export.api.paging import Listing, Page
    from tap_pleo_export.api.pleo_api import PleoApi
    from tap_pleo_export.singer.progress import Progress
    from tap_pleo_export.tap.run_reader import RunReader


class RecordLine(msgspec.Struct, gc=False):
    """A RECORD message around a record whose members are already bytes."""

    type: str
    stream: str
    record: Record
    time_extracted: str


class RecordError(Exception):
    """Stream maps, flattening or deselection cannot process a record; ``str()`` says which."""


class ProgressTap(PleoPlugin, Tap):
    """A tap that keeps the progress of each export job as state; the part of it that its streams use."""

    message_writer: LineWriter
    progress: Progress | None = None
    """Where a person who waits sees the run's progress."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        self.bookmarks = Bookmarks({})
        self.outcome = RunOutcome()
        self._pace = StatePace()
        self._last_state: dict[str, Any] | None = None
        super().__init__(**kwargs)

    @property
    @abc.abstractmethod
    def reader(self) -> RunReader:
        """The reader of the run's jobs."""

    @abc.abstractmethod
    def show_progress(self, progress: Progress, job_id: str) -> None:
        """Show how far the run is, and the minutes that its current job has left."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Read the progress from a Singer state; the job of an unreadable entry starts again."""
        self.bookmarks = Bookmarks(state)
        if self.bookmarks.unreadable:
            self.logger.warning(
                "State: %d entr(ies) of 'export_items' cannot be read; their jobs are read again from the first page",
                self.bookmarks.unreadable,
            )
        if self.bookmarks:
            self.state.update(self.bookmarks.to_state())  # type: ignore[typeddict-item]

    def write_state_if_due(self) -> None:
        """Write a STATE message unless the last one was larger than the records written since."""
        if self._pace.due(self.message_writer.bytes_written, time.monotonic()):
            self.write_state()

    def write_state(self) -> None:
        """Write a STATE message if the progress has changed since the last."""
        state = self.bookmarks.to_state()
        if state == self._last_state:
            return
        self._last_state = state
        self.state.update(state)  # type: ignore[typeddict-item]
        before = self.message_writer.bytes_written
        self.message_writer.write_messages(({"type": "STATE", "value": state},))
        after = self.message_writer.bytes_written
        self._pace.emitted(after - before, after, time.monotonic())

    @contextlib.contextmanager
    def last_state(self) -> Iterator[None]:
        """Write a STATE at the end of the block, however it ends, unless the output itself has failed."""
        try:
            yield
        except BaseException as error:
            if not isinstance(error, OutputError):
                self.write_state()
            raise
        self.write_state()


class PleoStream(RESTStream[Token]):
    """A stream of Pleo's that is read page by page and written in batches.

    The SDK's hooks define the requests: ``path``, ``url_base``, ``http_method``, ``http_headers``, ``user_agent``,
    ``timeout``, ``authenticator``, ``get_url``, ``get_url_params``, ``prepare_request_payload``, ``get_http_request``
    and ``get_new_paginator``. Sending, retrying and decoding are done by :mod:`tap_pleo_export.api`, which keeps
    requests of several pages in flight and records as the bytes that Pleo sent; so ``parse_response``,
    ``validate_response``, ``post_process`` and the ``backoff_…`` hooks are not called.
    """

    # Records leave as Pleo sent them: the SDK would drop undeclared members.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    # Old state must not become a list of partitions to sync.
    partitions = None
    # Rows of earlier jobs must never be deleted downstream, under any settings.
    emit_activate_version_messages = False

    # The OAuth scope that its requests need.
    oauth_scope: ClassVar[str | None] = None
    # Whether to ask for pages of 1,000 rows, if Pleo accepts them, instead of `page_size`.
    large_pages: ClassVar[bool] = True
    # Members that the connector reads besides the keys, with their Python types, and members that it adds.
    members_read: ClassVar[Mapping[str, Any]] = {}
    members_computed: ClassVar[tuple[str, ...]] = ()
    # Number of records that a connection test may still write; below 0 it has enough.
    records_left: int | None = None
    _tap: ProgressTap
    _counter: Counter

    def batches(self, context: Context | None) -> Iterator[Batch]:
        """Yield the records of a context in batches that are written together: page by page by default."""
        for page in self.listing(context).pages():
            if page.unusable:
                self._tap.outcome.record_skipped_rows(RowsUnusable(self.name.replace("_", " "), page.unusable))
            yield Batch(page.records)

    def child_contexts(self) -> Iterator[Context | None]:
        """Yield the contexts of child streams; none by default."""
        yield from ()

    # Requests: the SDK's hooks.

    @property
    def api(self) -> PleoApi:
        """The API client, one for all streams of the run."""
        return self._tap.api

    @property
    def url_base(self) -> str:
        """The API's address."""
        return self.api.api_url

    @property
    def authenticator(self) -> Authenticator:
        """Signs each request; one for all streams of the run."""
        return self.api.authenticator

    @cached_property
    def user_agent(self) -> str:
        """The setting `user_agent`, or name and version."""
        return self._tap.user_agent

    @property
    def http_headers(self) -> dict[str, str]:
        """Headers of each request besides its signature."""
        return {"Accept": "application/json", "User-Agent": self.user_agent}

    @property
    def timeout(self) -> int:
        """Seconds: the setting `request_timeout`."""
        return int(self.config["request_timeout"])

    def get_url_params(self, context: Context | None, next_page_token: Token) -> dict[str, Any]:  # noqa: ARG002 - the SDK's signature
        """Return the query of a page; None leaves a parameter out."""
        return {
            "limit": self.api.large_page if self.large_pages else self.api.page_size,
            "after": next_page_token if isinstance(next_page_token, str) else None,
            "offset": next_page_token if isinstance(next_page_token, int) else None,
        }

    def get_new_paginator(self) -> CursorPaginator:
        """Return the object that decides where each page begins and when to stop."""
        return CursorPaginator()

    def request_for(self, context: Context | None, token: Token) -> ApiRequest:
        """Return the request for the page that begins at a token."""
        request = self.get_http_request(page=PageContext(stream_context=context, next_page_token=token))
        return ApiRequest(
            method=request.method,
            url=request.url,
            params=request.params,
            headers=request.headers,
            body=request.data,
            auth=self.authenticator,
            timeout=self.timeout,
            scope=self.oauth_scope,
        )

    def listing(self, context: Context | None) -> Listing[Record]:
        """Return the pages of a context."""
        name = self.name.replace("_", " ")
        return self.api.listing(
            partial(self.request_for, context),
            self.decode_page,
            id_of=attrgetter(self.keys_read[0]),
            errors=partial(as_job_error, context["jobId"]) if context else partial(as_list_error, name),
            paginator=self.get_new_paginator,
        )

    # Records.

    @property
    def keys_read(self) -> tuple[str, ...]:
        """The primary keys that every row of Pleo's must have, regardless of the catalog."""
        declared = cast("tuple[str, ...]", type(self).primary_keys)
        return tuple(key for key in declared if key not in {*self.members_computed, *self.members_read})

    @cached_property
    def drift(self) -> DriftWatch:
        """Reports fields that Pleo adds."""
        return DriftWatch(self.name, self.schema, self.logger)

    @cached_property
    def decoder(self) -> RecordDecoder:
        """Decodes rows by the declared schema, which includes members that a catalog deselects."""
        return RecordDecoder(
            self.schema, keys=self.keys_read, read=self.members_read, computed=self.members_computed, drift=self.drift
        )

    @cached_property
    def _page_decoder(self) -> PageDecoder[Record]:
        return PageDecoder(self.decoder.record_type, self.decoder.decode_row)

    def decode_page(self, body: bytes) -> Page[Record]:
        """Decode a page, as :class:`PageDecoder`, and report replaced characters and unknown fields."""
        page = self._page_decoder.decode(body)
        self.drift.replaced(page.replaced)
        self.drift.inspect(page.records)
        return page

    # Writing.

    def request_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        """Yield the records one by one, for ``get_records``."""
        for batch in self.batches(context):
            yield from map(as_dict, batch.records)
            self._save_progress(batch)

    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Do nothing: the tap keeps the progress itself."""

    def _sync_records(
        self,
        context: Context | None = None,
        *,
        write_messages: bool = True,  # noqa: ARG002 - the SDK's signature
    ) -> Generator[dict[str, Any], Any, Any]:
        """Write the stream's batches, then those of its child streams, context by context."""
        try:
            with self._tap.last_state(), contextlib.closing(self._turns(context)) as turns:
                for stream, stream_context in turns:
                    stream.write_batches(stream_context)
        except Exception as error:  # noqa: BLE001 - the SDK would add a line to each
            raise stop(self.logger, error, PleoError, RecordError, OutputError) from None
        # The SDK expects a generator, but does not use the records.
        yield from ()

    def _turns(self, context: Context | None) -> Generator[tuple[PleoStream, Context | None], None, None]:
        """Yield this stream, then its child streams with each context, under one SCHEMA and one count each."""
        if self.selected:
            with self.counted():
                yield self, context
        children = [s for s in self._tap.streams.values() if isinstance(s, PleoStream) and s in self.child_streams]
        children = [child for child in children if child.selected]
        with contextlib.ExitStack() as stack:
            for child in children:
                child.log("Beginning sync of '%s' in %s mode", child.name, child.replication_method.lower())
                child._write_schema_message()  # noqa: SLF001 - its own class
                stack.enter_context(child.counted())
            contexts = self.child_contexts()
            while children:
                with self._tap.interrupts.allowed():
                    child_context = next(contexts, None)
                if child_context is None:
                    return
                for child in children:
                    yield child, child_context
                # A connection test reads only one record of each.
                children = [child for child in children if (child.records_left or 0) >= 0]

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count and time the block for the SDK's metrics."""
        with self.get_record_counter() as self._counter, self.get_sync_timer():
            yield

    def write_batches(self, context: Context | None) -> None:
        """Write the batches of one context, each with its progress and STATE."""
        if self.records_left is None:
            self.records_left = sys.maxsize if self.ABORT_AT_RECORD_COUNT is None else self.ABORT_AT_RECORD_COUNT
        batches = self.batches(context)
        while True:
            with self._tap.interrupts.allowed():
                batch = next(batches, None)
            if batch is None:
                return
            left, self.records_left = self.records_left, self.records_left - len(batch.records)
            self._write(batch.records[:left])
            self._counter.increment(min(left, len(batch.records)))
            if self.records_left < 0:
                return
            self._save_progress(batch)
            if self._tap.progress and context:
                self._tap.show_progress(self._tap.progress, context["jobId"])
            self._tap.write_state_if_due()

    def _save_progress(self, batch: Batch) -> None:
        if batch.job_id and batch.progress:
            self._tap.bookmarks.set(batch.job_id, batch.progress)

    def _write(self, records: Iterable[Record]) -> None:
        if self._passthrough:
            now = datetime.now(UTC).isoformat()
            self._tap.message_writer.write_messages(RecordLine("RECORD", self.name, record, now) for record in records)
        else:
            for record in records:
                for message in self._via_sdk(record):
                    self._tap.write_message(message)

    def _via_sdk(self, record: Record) -> list[RecordMessage]:
        try:
            return list(self._generate_record_messages(as_dict(record)))
        except (RecursionError, msgspec.ValidationError):
            why = (
                "is nested too deeply, or has too long a number, for stream maps, flattening and deselection. "
                "Run without them; report the record to Pleo"
            )
        except Exception as error:  # noqa: BLE001 - an expression of the user's may raise anything
            why = f"cannot be mapped ({type(error).__name__}: {one_line(str(error))}). Check the setting 'stream_maps'"
        ids = ", ".join(
            f"{key} {one_line(id_)}" for key in self.primary_keys if isinstance(id_ := getattr(record, key, None), str)
        )
        raise RecordError(f"{self.name}: {ids} {why}")

    @cached_property
    def _passthrough(self) -> bool:
        """Whether the SDK would write each record unchanged."""
        return (
            [type(stream_map) for stream_map in self.stream_maps] == [SameRecordTransform]
            and self.stream_maps[0].stream_alias == self.name
            and not self.stream_maps[0].flattening_enabled
            and all(self.mask.values())
        )
