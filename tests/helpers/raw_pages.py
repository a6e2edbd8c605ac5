"""Pages as bytes, for JSON that no encoder would write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox import Fault, Job, Sandbox
from sandbox.values import encode

ITEMS = "/v3/export-items"
DIGITS = "12345678" * 50
"""More digits than any number type but a decimal can represent."""


def two_jobs(pleo: Sandbox, items: int) -> tuple[Job, Job]:
    """Add an older job of this many items, and a younger one of two."""
    now = datetime.now(UTC)
    return (
        pleo.add_job(items=items, created_at=now - timedelta(minutes=9)),
        pleo.add_job(items=2, created_at=now - timedelta(minutes=2)),
    )


def row(item: dict[str, Any], more: bytes) -> bytes:
    """Return an item's bytes with further members."""
    return encode(item)[:-1] + b"," + more + b"}"


def rows_with(items: Sequence[dict[str, Any]], texts: Sequence[bytes]) -> list[bytes]:
    """Return the items' bytes, each with one member as a text has it; none has another member of those names."""
    names = {text.partition(b":")[0] for text in texts}
    plain = [{name: value for name, value in item.items() if encode(name) not in names} for item in items]
    return [row(item, text) for item, text in zip(plain, texts, strict=True)]


def nested(levels: int) -> bytes:
    """Return a value nested this deeply, objects and lists in turn."""
    return b'{"a":[' * (levels // 2) + b"1" + b"]}" * (levels // 2)


def page(rows: Sequence[bytes], cursor: str | None = None) -> bytes:
    """Return a page's bytes; with a cursor there is a next one."""
    info = {"hasNextPage": cursor is not None, "endCursor": cursor}
    return b'{"data":[' + b",".join(rows) + b'],"pagination":' + encode(info) + b"}"


def serve(pleo: Sandbox, path: str, *pages: Sequence[bytes], **query: str) -> list[Fault]:
    """Answer the requests to an endpoint with these pages, one after the other."""
    cursors = [*(f"page{number}" for number in range(1, len(pages))), None]
    return [
        pleo.add_fault(Fault(path=path, query=query, nth=number, status=200, body=page(rows, cursor)))
        for number, (rows, cursor) in enumerate(zip(pages, cursors, strict=True), 1)
    ]
