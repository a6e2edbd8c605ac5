"""The yardstick: what anybody writes in ten minutes. It reads pages, writes Singer lines, and promises nothing.

``python bench/raw_loop.py URL JOB_ID...`` reads export items; ``--all-streams`` adds jobs and job items.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import orjson
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_SIZE = 100
LARGE_PAGE = 1000


def rows(session: requests.Session, url: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of all pages, one page after the other."""
    while True:
        page = orjson.loads(session.get(url, params=query, auth=("key", "")).content)
        yield from page["data"]
        if not page["pagination"]["hasNextPage"]:
            return
        query = query | {"after": page["pagination"]["endCursor"]}


def write(stream: str, records: Iterator[dict[str, Any]]) -> None:
    """Write RECORD messages."""
    out = sys.stdout.buffer
    for record in records:
        out.write(orjson.dumps({"type": "RECORD", "stream": stream, "record": record}) + b"\n")


def main() -> None:
    """Read everything once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("job_ids", nargs="+")
    parser.add_argument("--all-streams", action="store_true")
    options = parser.parse_args()
    with requests.Session() as session:
        jobs, items = f"{options.url}/v3/export-jobs", f"{options.url}/v3/export-items"
        if options.all_streams:
            write("export_jobs", rows(session, jobs, {"limit": LARGE_PAGE}))
        for job_id in options.job_ids:
            if options.all_streams:
                write("export_job_items", rows(session, f"{jobs}/{job_id}/items", {"limit": LARGE_PAGE}))
            write("export_items", rows(session, items, {"job_id": job_id, "limit": PAGE_SIZE}))


if __name__ == "__main__":
    main()
