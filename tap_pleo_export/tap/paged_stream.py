"""Streams that come page by page: what the SDK's hooks ask for, and how it comes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk.streams.rest import PageContext

from tap_pleo_export.api import error_mapping as refusals
from tap_pleo_export.api.errors import RequestRefused, RowsUnusable
from tap_pleo_export.api.paging import CursorPaginator, Lookahead, walk
from tap_pleo_export.api.request import ApiRequest
from tap_pleo_export.singer.field_drift import DriftWatch
from tap_pleo_export.singer.record_decoder import RecordShape
from tap_pleo_export.tap.batch_stream import BatchStream
from tap_pleo_export.tap.source import FIRST_PAGE, Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context

    from tap_pleo_export.api.credentials import Authenticator
    from tap_pleo_export.api.paging import Start, Token
    from tap_pleo_export.api.pleo_api import PleoApi
    from tap_pleo_export.api.request import ApiResponse
    from tap_pleo_export.singer.record_decoder import Page


@dataclass(frozen=True, slots=True)
class StreamListing:
    """A stream's pages in one context, as the stream's hooks ask for them."""

    stream: PagedStream
    context: Context | None

    def fetch(self, token: Token) -> ApiResponse:
        """Fetch the page that begins at the token; a smaller one if Pleo refuses it for its size."""
        call = self.stream.call_for(self.context, token)
        api = self.stream.api
        with self._cursor_of(call):
            try:
                return api.send(call)
            except RequestRefused as refusal:
                asked = call.params.get("limit")
                if refusal.status != HTTPStatus.BAD_REQUEST or not api.reduce_page_size(asked):
                    raise
            return api.send(self.stream.call_for(self.context, token))

    def read(self, answer: ApiResponse) -> Page:
        """Read a fetched page."""
        with self._cursor_of(answer.request):
            return self.stream.api.read(answer, self.stream.decode_page)

    def ids(self, page: Page) -> Iterable[str]:
        """Return what tells the page's records apart."""
        return map(attrgetter(self.stream.keys_read[0]), page.records)

    def _cursor_of(self, call: ApiRequest) -> contextlib.AbstractContextManager[None]:
        if self.context is None:
            return contextlib.nullcontext()
        return refusals.of_cursor(self.context["jobId"], call.params.get("after"))


class PagedStream(BatchStream):
    """A stream of Pleo's that comes in pages.

    The SDK's hooks say what is asked for: ``path``, ``url_base``, ``http_method``, ``http_headers``, ``user_agent``,
    ``timeout``, ``authenticator``, ``get_url``, ``get_url_params``, ``prepare_request_payload``, ``get_http_request``
    and ``get_new_paginator``. Those in :attr:`BYPASSED` are never called.
    """

    BYPASSED: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            **dict.fromkeys(
                ("_request", "request_decorator", "validate_response", "response_error_message"),
                "the client sends, retries and judges: it obeys Retry-After and keeps bodies out of messages",
            ),
            **dict.fromkeys(
                ("backoff_wait_generator", "backoff_max_tries", "backoff_jitter", "backoff_handler", "backoff_runtime"),
                "waits are those of `RetryPolicy`, with a deadline",
            ),
            **dict.fromkeys(
                ("requests_session", "prepare_request", "build_prepared_request", "allow_redirects", "payload_as_json"),
                "one pool of connections serves all streams and threads, and follows no redirect; bodies are JSON",
            ),
            **dict.fromkeys(
                ("parse_response", "records_jsonpath", "next_page_token_jsonpath", "post_process"),
                "records leave as the bytes that came: `RecordShape` reads a page at once",
            ),
            **dict.fromkeys(
                ("get_http_request_counter", "update_sync_costs", "calculate_sync_cost", "extra_retry_statuses"),
                "requests belong to no single stream: several are in flight for the next one",
            ),
        }
    )

    oauth_scope: ClassVar[str | None] = None
    """The OAuth scope that its requests need."""
    small_rows: ClassVar[bool] = True
    """Whether pages of 1,000 rows are asked for, if Pleo bears them, instead of ``page_size``."""
    members_read: ClassVar[Mapping[str, Any]] = {}
    """Members that the connector reads besides the keys, with their Python types."""
    members_computed: ClassVar[tuple[str, ...]] = ()
    """Members that the connector adds."""

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
            "limit": self.api.large_page if self.small_rows else self.api.page_size,
            "after": next_page_token if isinstance(next_page_token, str) else None,
            "offset": next_page_token if isinstance(next_page_token, int) else None,
        }

    def get_new_paginator(self) -> CursorPaginator:
        """Return what decides where each page begins, and when to stop."""
        return CursorPaginator()

    def call_for(self, context: Context | None, token: Token) -> ApiRequest:
        """Return the request for the page that begins at a token."""
        page = PageContext(stream_context=context, next_page_token=token)
        request = self.get_http_request(page=page)
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

    @property
    def keys_read(self) -> tuple[str, ...]:
        """The primary keys that every row of Pleo's must have."""
        # As declared, whatever a catalog says.
        declared = cast("tuple[str, ...]", type(self).primary_keys)
        return tuple(key for key in declared if key not in {*self.members_computed, *self.members_read})

    @property
    def title(self) -> str:
        """The name, in the middle of a sentence."""
        return self.name.replace("_", " ")

    @cached_property
    def shape(self) -> RecordShape:
        """The records' shape, after the declared schema: members that a catalog deselects are known all the same."""
        return RecordShape(
            self.schema,
            keys=self.keys_read,
            read=self.members_read,
            computed=self.members_computed,
            drift=DriftWatch(self.name, self.schema, self.logger),
        )

    def decode_page(self, body: bytes) -> Page:
        """Return the page that a body holds; raises as :meth:`RecordShape.decode_page`."""
        return self.shape.decode_page(body)

    def lookahead(self, context: Context, start: Start = FIRST_PAGE) -> Lookahead:
        """Return a way to have a job's pages fetched before they are asked for."""

        def warn(reason: str) -> None:
            self.logger.warning("Export job %s: pages are read in turn from here on: %s", context["jobId"], reason)

        listing = StreamListing(self, context)
        return Lookahead(listing, self.api.pool, self.api.allowed_concurrency, start, warn)

    def pages(
        self, context: Context | None = None, start: Start = FIRST_PAGE, lookahead: Lookahead | None = None
    ) -> Iterator[Page]:
        """Yield the pages, those of one export job where the context names it.

        Raises:
            JobError: They cannot be read to the end, with a context.
            FatalError: They cannot be read to the end.
        """
        paginator = self.get_new_paginator()
        paginator.start_after(start.cursor)
        with refusals.of_job(context["jobId"]) if context else refusals.of_list(self.title):
            yield from walk(StreamListing(self, context), paginator, lookahead)

    def batches(self, context: Context | None) -> Iterator[Batch]:
        """Yield the records in batches that are written together: page by page."""
        for page in self.pages(context):
            if page.unusable:
                self._tap.outcome.leave_out_rows(RowsUnusable(self.title, page.unusable))
            yield Batch(page.records)
