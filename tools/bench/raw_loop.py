"""The tap's yardstick, as anyone would write it in ten minutes: it reads pages and writes Singer lines.

``python tools/bench/raw_loop.py URL JOB_ID`` reads export items.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import orjson
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows(session: requests.Session, url: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of all pages, one page after the other."""
    while True:
        page = orjson.loads(session.get(url, params=query, auth=("key", "")).content)
        yield from page["data"]
        if not page["pagination"]["hasNextPage"]:
            return
        query = query | {"after": page["pagination"]["endCursor"]}


def main() -> None:
    """Read the export items of one job."""
    url, job_id = sys.argv[1:]
    out = sys.stdout.buffer
    with requests.Session() as session:
        for record in rows(session, f"{url}/v3/export-items", {"job_id": job_id, "limit": 100}):
            out.write(orjson.dumps({"type": "RECORD", "stream": "export_items", "record": record}) + b"\n")


if __name__ == "__main__":
    main()
