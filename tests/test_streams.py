"""The SDK's hooks of a stream: each one that exists decides about the requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from singer_sdk.streams.core import Stream
from singer_sdk.streams.rest import HTTPRequest, PageContext

from sandbox import Fault, Request, Sandbox
from tap_pleo_export.api.credentials import AccessTokenAuth
from tap_pleo_export.api.paging import CursorPaginator
from tap_pleo_export.tap.plugin import TapPleoExport
from tap_pleo_export.tap.stream import PleoStream
from tap_pleo_export.tap.streams import STREAMS, ExportItems, ExportJobItems, ExportJobs

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


class FirstPageOnly(CursorPaginator):
    def has_more(self, response: Any) -> bool:  # noqa: ARG002 - the SDK's signature
        return False


def url(self: ExportItems, context: Any) -> str:
    return f"{ExportItems.get_url(self, context)}-of-another-kind"


def params(self: ExportItems, context: Any, token: Any) -> dict[str, Any]:
    return ExportItems.get_url_params(self, context, token) | {"limit": 7}


def http_request(self: ExportItems, *, page: PageContext) -> HTTPRequest:
    return replace(ExportItems.get_http_request(self, page=page), params={"job_id": "changed"})


Look = Callable[[list[Request]], bool]
CHANGES: dict[str, tuple[Any, Look]] = {
    "path": ("/v3/other-items", lambda seen: seen[0].path == "/v3/other-items"),
    "get_url": (url, lambda seen: seen[0].path == "/v3/export-items-of-another-kind"),
    "http_method": ("OPTIONS", lambda seen: seen[0].method == "OPTIONS"),
    "get_url_params": (params, lambda seen: all(request.query["limit"] == ["7"] for request in seen)),
    "http_headers": ({"User-Agent": "changed"}, lambda seen: seen[0].user_agent == "changed"),
    "user_agent": ("changed", lambda seen: seen[0].user_agent == "changed"),
    "prepare_request_payload": (lambda *_: {"changed": True}, lambda seen: b"changed" in seen[0].body),
    "get_http_request": (http_request, lambda seen: seen[0].query == {"job_id": ["changed"]}),
    "get_new_paginator": (lambda _: FirstPageOnly(), lambda seen: len(seen) < len(range(0, 25, 10))),
}


@pytest.mark.parametrize("hook", CHANGES)
def test_a_changed_hook_changes_the_requests(pleo: Sandbox, hook: str) -> None:
    pleo.add_job(items=25)
    value, is_seen = CHANGES[hook]
    before = requests(pleo, type("Unchanged", (ExportItems,), {}))

    after = requests(pleo, type("Changed", (ExportItems,), {hook: value}))

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


def test_get_child_context_decides_which_job_is_read(pleo: Sandbox) -> None:
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


def test_get_records_yields_the_written_records(pleo: Sandbox) -> None:
    jobs = [pleo.add_job(items=25), pleo.add_job(items=4)]

    for kind in (ExportItems, ExportJobItems):
        found = read(pleo, type("Same", (kind,), {}))
        assert sorted(found) == sorted(item["accountingEntryId"] for job in jobs for item in job.items)
