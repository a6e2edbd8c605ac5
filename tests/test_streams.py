"""The SDK's hooks of a stream: those that exist decide what is asked for, the others are left alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Fault, Sandbox
from tap_pleo_export.api.credentials import AccessTokenAuth
from tap_pleo_export.api.paging import CursorPaginator
from tap_pleo_export.tap.plugin import TapPleoExport
from tap_pleo_export.tap.streams import STREAMS, ExportItems, ExportJobItems, ExportJobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.streams.core import Stream
    from singer_sdk.streams.rest import HTTPRequest, PageContext

    from sandbox import Request
    from tap_pleo_export.tap.stream import PleoStream

ITEMS = "/v3/export-items"
PAGES = {"page_size": 10, "max_concurrent_requests": 1, "max_retries": 0}


def read(pleo: Sandbox, changed: type[PleoStream]) -> list[str]:
    """Read all records of a stream in a tap that has it in the place of the one it is made from."""

    class ChangedTap(TapPleoExport):
        def discover_streams(self) -> list[Stream]:
            return [changed(tap=self) if issubclass(changed, kind) else kind(tap=self) for kind in STREAMS]

    tap = ChangedTap(config={"api_url": pleo.url, "api_key": pleo.api_key} | PAGES)
    (stream,) = (stream for stream in tap.streams.values() if type(stream) is changed)
    try:
        contexts = [{"jobId": job.id} for job in tap.reader.jobs] if stream.parent_stream_type else [None]
        pleo.requests.clear()
        return [record["accountingEntryId"] for context in contexts for record in stream.get_records(context)]
    finally:
        tap.close()


def requests(pleo: Sandbox, changed: type[PleoStream]) -> list[Request]:
    """Return the requests for export items, or those that come instead, refused or not."""
    try:
        read(pleo, changed)
    except SystemExit as end:
        assert end.code  # noqa: PT017 - the requests are what is looked at
    return [request for request in pleo.requests if not request.path.endswith("/items") or request.path == ITEMS]


class Path(ExportItems):
    path = "/v3/other-items"


class Url(ExportItems):
    def get_url(self, context: Any) -> str:
        return f"{super().get_url(context)}-of-another-kind"


class Method(ExportItems):
    http_method = "OPTIONS"


class Params(ExportItems):
    def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        return super().get_url_params(context, next_page_token) | {"limit": 7}


class Headers(ExportItems):
    @property
    def http_headers(self) -> dict[str, str]:
        return super().http_headers | {"User-Agent": "changed"}


class Agent(ExportItems):
    @cached_property
    def user_agent(self) -> str:
        return "changed"


class Payload(ExportItems):
    def prepare_request_payload(self, context: Any, next_page_token: Any) -> Any:  # noqa: ARG002 - the SDK's signature
        return {"changed": True}


class Request_(ExportItems):  # noqa: N801 - `Request` is the sandbox's
    def get_http_request(self, *, page: PageContext) -> HTTPRequest:
        return replace(super().get_http_request(page=page), params={"job_id": "changed"})


class OnePage(ExportItems):
    def get_new_paginator(self) -> CursorPaginator:
        class Once(CursorPaginator):
            def has_more(self, response: Any) -> bool:  # noqa: ARG002 - the SDK's signature
                return False

        return Once()


CHANGES: dict[str, tuple[type[PleoStream], Callable[[list[Request]], bool]]] = {
    "path": (Path, lambda seen: seen[0].path == "/v3/other-items"),
    "get_url": (Url, lambda seen: seen[0].path == "/v3/export-items-of-another-kind"),
    "http_method": (Method, lambda seen: seen[0].method == "OPTIONS"),
    "get_url_params": (Params, lambda seen: all(request.query["limit"] == ["7"] for request in seen)),
    "http_headers": (Headers, lambda seen: seen[0].user_agent == "changed"),
    "user_agent": (Agent, lambda seen: seen[0].user_agent == "changed"),
    "prepare_request_payload": (Payload, lambda seen: b"changed" in seen[0].body),
    "get_http_request": (Request_, lambda seen: seen[0].query == {"job_id": ["changed"]}),
    "get_new_paginator": (OnePage, lambda seen: len(seen) < len(range(0, 25, 10))),
}


@pytest.mark.parametrize("hook", CHANGES)
def test_a_changed_hook_changes_the_requests(pleo: Sandbox, hook: str) -> None:
    pleo.add_job(items=25)
    changed, is_seen = CHANGES[hook]
    before = requests(pleo, type("Unchanged", (ExportItems,), {}))

    after = requests(pleo, changed)

    assert before
    assert not is_seen(before)
    assert after
    assert is_seen(after)


def test_the_authenticator_signs_each_request(pleo: Sandbox) -> None:
    class Signed(ExportItems):
        @property
        def authenticator(self) -> AccessTokenAuth:
            return AccessTokenAuth(pleo.access_token)

    pleo.add_job(items=25)

    assert {request.auth for request in requests(pleo, Signed)} == {"bearer"}


def test_the_base_address_is_where_requests_go(pleo: Sandbox) -> None:
    pleo.add_job(items=25)
    with Sandbox() as other:

        class Elsewhere(ExportItems):
            url_base = other.url

        requests(pleo, Elsewhere)

        assert [request.path for request in other.requests][:1] == [ITEMS]


def test_the_timeout_ends_a_request(pleo: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    class Impatient(ExportItems):
        timeout = 1

    pleo.add_job(items=25)
    release = threading.Event()
    pleo.add_fault(Fault(path=ITEMS, kind="callback", callback=lambda _: release.wait(10), nth=None))
    try:
        read(pleo, Impatient)
    finally:
        release.set()

    assert "no answer within 1 s" in caplog.text


def test_get_child_context_says_what_is_read_of_a_job(pleo: Sandbox) -> None:
    named = pleo.add_job(items=3)
    other = pleo.add_job(items=2)

    class Named(ExportJobs):
        def get_child_context(self, record: Any, context: Any) -> Any:  # noqa: ARG002 - the SDK's signature
            return {"jobId": named.id}

    tap = TapPleoExport(config={"api_url": pleo.url, "api_key": pleo.api_key} | PAGES)
    try:
        contexts = list(Named(tap=tap).child_contexts())
    finally:
        tap.close()

    assert contexts == [{"jobId": named.id}] * 2
    assert other.id not in str(contexts)


def test_get_records_reads_what_the_tap_writes(pleo: Sandbox) -> None:
    jobs = [pleo.add_job(items=25), pleo.add_job(items=4)]

    for kind in (ExportItems, ExportJobItems):
        found = read(pleo, type("Same", (kind,), {}))
        assert sorted(found) == sorted(item["accountingEntryId"] for job in jobs for item in job.items)
