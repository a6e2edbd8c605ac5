"""Pages of Pleo's as bytes: for what no JSON encoder would write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox import Fault
from sandbox.faults import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox import Job, Sandbox

ITEMS = "/v3/export-items"


def two_jobs(pleo: Sandbox, items: int) -> tuple[Job, Job]:
    """Add an older job of so many items, and a younger one of two."""
    now = datetime.now(UTC)
    return (
        pleo.add_job(items=items, created_at=now - timedelta(minutes=9)),
        pleo.add_job(items=2, created_at=now - timedelta(minutes=2)),
    )


def row(item: dict[str, Any], more: bytes) -> bytes:
    """Return an item's bytes with further members."""
    return encode(item)[:-1] + b"," + more + b"}"


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
