"""Requests against a real socket, with waits that are recorded instead of slept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sandbox import Fault, Sandbox
from tap_pleo_export.pleo.auth import ApiKeyAuth
from tap_pleo_export.pleo.budget import RequestBudget
from tap_pleo_export.pleo.client import PleoClient
from tap_pleo_export.pleo.errors import PleoUnavailable, TokenRefreshFailed
from tap_pleo_export.pleo.retry import RetryPolicy
from tests.helpers.oauth import refreshing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_pleo_export.pleo.auth import Authenticator

JOBS = "/v3/export-jobs"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def clients() -> Iterator[list[PleoClient]]:
    made: list[PleoClient] = []
    yield made
    for client in made:
        client.close()


def make(pleo: Sandbox, waits: list[float], auth: Authenticator | None = None, **policy: Any) -> PleoClient:
    return PleoClient(
        api_url=pleo.url,
        auth=auth or ApiKeyAuth(pleo.api_key),
        budget=RequestBudget(policy.pop("budget", 500)),
        policy=RetryPolicy(**policy),
        timeout=5,
        user_agent="test",
        sleep=waits.append,
    )


def test_waits_grow_and_then_it_is_given_up(pleo: Sandbox, waits: list[float], clients: list[PleoClient]) -> None:
    pleo.add_fault(Fault(path=JOBS, status=503, nth=None))
    clients.append(make(pleo, waits, max_retries=8))

    with pytest.raises(PleoUnavailable, match="given up after 9 attempts; last cause: status 503"):
        clients[0].get(JOBS, {}, msgspec.json.decode)

    assert len(pleo.requests) == 9
    bounds = [min(60, 2**n) for n in range(8)]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))


def test_what_pleo_asks_for_is_waited_to_the_letter(
    pleo: Sandbox, waits: list[float], clients: list[PleoClient]
) -> None:
    for number, seconds in enumerate(("7", "0", "300"), 1):
        pleo.add_fault(Fault(path=JOBS, status=429, headers={"Retry-After": seconds}, nth=number))
    clients.append(make(pleo, waits))

    clients[0].get(JOBS, {}, msgspec.json.decode)

    assert waits == [7, 0, 300]


def test_a_deadline_ends_the_retries_before_their_number_does(
    pleo: Sandbox, waits: list[float], clients: list[PleoClient]
) -> None:
    pleo.add_fault(Fault(path=JOBS, status=503, headers={"Retry-After": "20"}, nth=None))
    clients.append(make(pleo, waits, max_retries=1000, deadline=19.9))

    with pytest.raises(PleoUnavailable, match="given up after 1 attempt; last cause: status 503"):
        clients[0].get(JOBS, {}, msgspec.json.decode)

    assert waits == []


def test_the_budget_holds_retries_back_too(pleo: Sandbox, waits: list[float], clients: list[PleoClient]) -> None:
    pleo.add_fault(Fault(path=JOBS, status=503, headers={"Retry-After": "0"}))
    clients.append(make(pleo, waits, budget=1))

    clients[0].get(JOBS, {}, msgspec.json.decode)

    # The retry's own wait, and the rest of the minute.
    assert waits[0] == 0
    assert 60 < waits[1] <= 61


def together(client: PleoClient, threads: int) -> list[object]:
    """Send one request from each of several threads at once; return answers or errors."""
    results: list[object] = []
    start = threading.Barrier(threads)

    def work() -> None:
        start.wait()
        try:
            results.append(client.get(JOBS, {}, msgspec.json.decode))
        except TokenRefreshFailed as failure:
            results.append(failure)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


def test_threads_that_find_their_token_ended_share_one_refresh(
    pleo: Sandbox, waits: list[float], clients: list[PleoClient], tmp_path: Path
) -> None:
    clients.append(make(pleo, waits, refreshing(pleo, tmp_path)))
    clients[0].get(JOBS, {}, msgspec.json.decode)
    pleo.expire_access_token()

    results = together(clients[0], 8)

    assert all(isinstance(result, dict) for result in results)
    assert len(pleo.requests_to("/oauth/token")) == 2


def test_a_refused_refresh_token_is_presented_by_one_thread_only(
    pleo: Sandbox, waits: list[float], clients: list[PleoClient], tmp_path: Path
) -> None:
    clients.append(make(pleo, waits, refreshing(pleo, tmp_path)))
    pleo.credentials.refresh_token = "fake-refresh-token-of-another-authorisation"

    results = together(clients[0], 8)

    assert all(isinstance(result, TokenRefreshFailed) for result in results)
    assert len(pleo.requests_to("/oauth/token")) == 1
