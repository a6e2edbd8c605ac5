"""The target's yardstick: send updates in batches of 100 and believe each response."""

from __future__ import annotations

import itertools
import sys

import orjson
import requests

BATCH = 100


def main() -> None:
    """Send the updates on standard input; arguments are the base URL and the API key."""
    url, key = sys.argv[1:]
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


if __name__ == "__main__":
    main()
