"""The yardsticks, as anyone would write them in ten minutes: ``python tools/bench/raw.py tap|mapper|target ...``."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

BATCH = 100


def rows(session: requests.Session, url: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of all pages, one page after the other."""
    while True:
        page = orjson.loads(session.get(url, params=query, auth=("key", "")).content)
        yield from page["data"]
        if not page["pagination"]["hasNextPage"]:
            return
        query = query | {"after": page["pagination"]["endCursor"]}


def tap(url: str, job_id: str) -> None:
    """Read the export items of one job, and write Singer lines."""
    import requests  # noqa: PLC0415 - the mapper does without

    out = sys.stdout.buffer
    with requests.Session() as session:
        for record in rows(session, f"{url}/v3/export-items", {"job_id": job_id, "limit": 100}):
            out.write(orjson.dumps({"type": "RECORD", "stream": "export_items", "record": record}) + b"\n")


def mapper() -> None:
    """Decode each line, add one member to export items, and encode it."""
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        message = orjson.loads(line)
        if message["type"] == "RECORD" and message["stream"] == "export_items":
            message["record"]["validationStatus"] = "passed"
        out.write(orjson.dumps(message) + b"\n")


def target(url: str, key: str) -> None:
    """Send the updates on standard input in batches, and believe each response."""
    import requests  # noqa: PLC0415 - the mapper does without

    messages = map(orjson.loads, sys.stdin.buffer)
    records = [message["record"] for message in messages if message["type"] == "RECORD"]
    updates = ((record.pop("jobId"), record) for record in records)
    with requests.Session() as session:
        session.auth = (key, "")
        for job_id, group in itertools.groupby(updates, key=lambda update: update[0]):
            job = f"{url}/v3/export-jobs/{job_id}"
            session.get(job).raise_for_status()
            for batch in iter(lambda: [update for _, update in itertools.islice(group, BATCH)], []):  # noqa: B023 - used at once
                response = session.put(f"{job}/items", json=batch)
                response.raise_for_status()
                orjson.loads(response.content)


YARDSTICKS: dict[str, Callable[..., None]] = {"tap": tap, "mapper": mapper, "target": target}


if __name__ == "__main__":
    YARDSTICKS[sys.argv[1]](*sys.argv[2:])
