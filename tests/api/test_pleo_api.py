"""Requests against a real socket, with waits recorded instead of slept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox import Fault, Sandbox
from tap_pleo_export.api.budget import RequestBudget
from tap_pleo_export.api.credentials import ApiKeyAuth, Authenticator
from tap_pleo_export.api.errors import PleoUnavailable, TokenRefreshFailed
from tap_pleo_export.api.pleo_api import PleoApi
from tap_pleo_export.api.request import ApiRequest
from tap_pleo_export.api.retry import RetryPolicy
from tests.helpers.oauth import refreshing

JOBS = "/v3/export-jobs"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def make(pleo: Sandbox, waits: list[float]) -> Iterator[Callable[..., PleoApi]]:
    """Make clients, which are closed after the test; options are those of the retry policy."""
    made: list[PleoApi] = []

    def client(auth: Authenticator | None = None, budget: int = 500, **policy: Any) -> PleoApi:
        made.append(
            PleoApi(
                api_url=pleo.url,
                authenticator=auth or ApiKeyAuth(pleo.api_key),
                budget=RequestBudget(budget),
                policy=RetryPolicy(**policy),
                timeout=5,
                scopes=("export-jobs:read", "export-jobs:write"),
                sleep=waits.append,
            )
        )
        return made[-1]

    yield client
    for api in made:
        api.close()


def get(api: PleoApi, path: str = JOBS) -> Any:
    return api.get(ApiRequest("GET", api.api_url + path), msgspec.json.decode)


def put(api: PleoApi, path: str, body: Any) -> Any:
    return api.get(ApiRequest("PUT", api.api_url + path, body=body, scope="export-jobs:write"), msgspec.json.decode)


def test_waits_grow_until_the_retries_end(pleo: Sandbox, waits: list[float], make: Callable[..., PleoApi]) -> None:
    pleo.add_fault(Fault(path=JOBS, status=503, nth=None))
    api = make(max_retries=8)

    with pytest.raises(PleoUnavailable, match="given up after 9 attempts; last cause: status 503"):
        get(api)

    assert len(pleo.requests) == 9
    bounds = [min(60, 2**n) for n in range(8)]
    shares = [wait / bound for wait, bound in zip(waits, bounds, strict=True)]
    # Drawn, so that many clients do not retry at once.
    assert all(0.5 <= share <= 1 for share in shares)
    assert len(set(shares)) == 8


def test_retry_after_only_lengthens_the_wait(pleo: Sandbox, waits: list[float], make: Callable[..., PleoApi]) -> None:
    for number, seconds in enumerate(("7", "0", "300"), 1):
        pleo.add_fault(Fault(path=JOBS, status=429, headers={"Retry-After": seconds}, nth=number))
    api = make()

    get(api)

    # Never shorter than without: a server that asks for nothing would be asked without a pause.
    assert (waits[0], waits[2]) == (7, 300)
    assert 1 <= waits[1] <= 2


@pytest.mark.parametrize(
    ("delay", "retry_after", "policy"),
    [(0, 20, {"max_retries": 1000, "deadline": 19.9}), (1.5, 0, {"longest_wait": 0.1, "deadline": 1.0})],
)
def test_deadline_ends_the_retries(
    pleo: Sandbox, waits: list[float], make: Callable[..., PleoApi], delay: float, retry_after: int, policy: Any
) -> None:
    pleo.add_fault(Fault(path=JOBS, kind="delay", seconds=delay))
    pleo.add_fault(Fault(path=JOBS, status=503, headers={"Retry-After": str(retry_after)}, nth=None))

    with pytest.raises(PleoUnavailable, match="given up after 1 attempt; last cause: status 503"):
        get(make(**policy))

    assert waits == []


def test_budget_wait_is_logged_once(
    waits: list[float], make: Callable[..., PleoApi], caplog: pytest.LogCaptureFixture
) -> None:
    api = make(budget=1)

    with caplog.at_level("INFO"):
        for _ in range(4):
            get(api)

    assert len(waits) == 3
    assert len([line for line in caplog.messages if line.startswith("Request budget used up")]) == 1


def test_budget_delays_retries(pleo: Sandbox, waits: list[float], make: Callable[..., PleoApi]) -> None:
    pleo.add_fault(Fault(path=JOBS, status=503, headers={"Retry-After": "0"}))
    api = make(budget=1)
    began = time.monotonic()

    get(api)

    # The retry's own wait, and the rest of the minute.
    assert 0.5 <= waits[0] <= 1
    assert 61 - (time.monotonic() - began) <= waits[1] <= 61


def together(api: PleoApi, threads: int) -> list[object]:
    """Send one request from each of several threads at once; return answers or errors."""
    start = threading.Barrier(threads)

    def work() -> object:
        start.wait()
        return get(api)

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(work) for _ in range(threads)]
    return [future.exception() or future.result() for future in futures]


def test_threads_share_one_refresh(pleo: Sandbox, make: Callable[..., PleoApi], tmp_path: Path) -> None:
    api = make(refreshing(pleo, tmp_path))
    get(api)
    pleo.expire_access_token()

    results = together(api, 8)

    assert all(isinstance(result, dict) for result in results)
    assert len(pleo.requests_to("/oauth/token")) == 2


def test_refused_refresh_token_is_presented_by_one_thread_only(
    pleo: Sandbox, make: Callable[..., PleoApi], tmp_path: Path
) -> None:
    api = make(refreshing(pleo, tmp_path))
    pleo.credentials.refresh_token = "fake-refresh-token-of-another-authorisation"

    results = together(api, 8)

    assert all(isinstance(result, TokenRefreshFailed) for result in results)
    assert len(pleo.requests_to("/oauth/token")) == 1


def update(pleo: Sandbox) -> tuple[str, list[dict[str, str]]]:
    """Return the path and the body of an update that Pleo accepts."""
    job = pleo.add_job(items=1, status="in_progress")
    return f"/v3/export-jobs/{job.id}/items", [
        {"accountingEntryId": job.items[0]["accountingEntryId"], "status": "successful"}
    ]


def test_change_without_effect_is_repeated_unchanged(
    pleo: Sandbox, waits: list[float], make: Callable[..., PleoApi], tmp_path: Path
) -> None:
    path, body = update(pleo)
    pleo.add_fault(Fault(path=path, method="PUT", status=429, headers={"Retry-After": "7"}))
    api = make(refreshing(pleo, tmp_path))
    get(api)
    pleo.expire_access_token()

    put(api, path, body)

    puts = pleo.requests_to(path)
    assert [request.status for request in puts] == [429, 401, 200]
    assert {request.body for request in puts} == {puts[0].body}
    assert waits == [7]


def test_change_that_was_never_sent_is_repeated(
    pleo: Sandbox, waits: list[float], make: Callable[..., PleoApi]
) -> None:
    path, body = update(pleo)
    pleo.stop()
    api = make(max_retries=2)

    with pytest.raises(PleoUnavailable, match=f"did not answer PUT {path}, given up after 3 attempts"):
        put(api, path, body)

    assert len(waits) == 2


def test_budget_counts_from_the_sending_not_from_the_refresh(
    pleo: Sandbox, waits: list[float], make: Callable[..., PleoApi], tmp_path: Path
) -> None:
    answered: list[float] = []
    pleo.add_fault(Fault(path="/oauth/token", kind="delay", seconds=2))
    pleo.add_fault(Fault(path="/oauth/token", kind="callback", callback=lambda _: answered.append(time.monotonic())))
    api = make(refreshing(pleo, tmp_path), budget=1)

    get(api)
    get(api)

    # The rest of the minute since the first one was sent; it would be 2 s less if counted from before the refresh.
    (wait,) = waits
    assert 61 - (time.monotonic() - answered[0]) <= wait <= 61
