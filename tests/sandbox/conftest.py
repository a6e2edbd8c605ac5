from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox import Job, Sandbox

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Clock:
    """A clock that moves only when advanced."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class Client:
    """A `requests` session with the sandbox's address and API key."""

    def __init__(self, pleo: Sandbox) -> None:
        self.pleo = pleo
        self.session = requests.Session()
        self.session.auth = (pleo.api_key, "")

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.pleo.url + path, timeout=10, **options)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.call("GET", path, params=query)

    def items(self, job: Job, **query: Any) -> requests.Response:
        return self.get("/v3/export-items", job_id=job.id, **query)

    def event(self, job: Job, event: str, **reason: str) -> requests.Response:
        return self.call("POST", "/v3/export-job-events", json={"jobId": job.id, "event": event, **reason})

    def update(self, job: Job, *updates: dict[str, Any]) -> requests.Response:
        return self.call("PUT", f"/v3/export-jobs/{job.id}/items", json=list(updates))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pleo(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
def client(pleo: Sandbox) -> Iterator[Client]:
    client = Client(pleo)
    yield client
    client.session.close()
