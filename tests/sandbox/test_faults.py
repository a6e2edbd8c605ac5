from __future__ import annotations

import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import requests
from requests.adapters import HTTPAdapter

from sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client

ITEMS = "/v3/export-items"


def test_a_status_fault_hits_the_nth_match_and_so_many_times(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1)
    pleo.add_fault(
        Fault(path=ITEMS, method="GET", nth=2, times=2, status=503, headers={"Retry-After": "1"}, body={"type": "X"})
    )
    answers = [client.items(job) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 503, 503, 200]
    assert answers[1].headers["Retry-After"] == "1"
    assert answers[1].json() == {"type": "X"}
    assert [request.status for request in pleo.requests] == [200, 503, 503, 200]


def test_a_fault_may_hit_every_request_of_one_query(pleo: Sandbox, client: Client) -> None:
    hit, spared = pleo.add_job(items=1), pleo.add_job(items=1)
    pleo.add_fault(Fault(path=ITEMS, nth=None, query={"job_id": hit.id}, status=429))
    assert [client.items(job).status_code for job in (hit, spared, hit)] == [429, 200, 429]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/v3/export-jobs", [500, 500]), ("/v3/export-jobs/*/items", [200, 500]), ("/v3/export-items", [200, 200])],
)
def test_a_fault_hits_a_path_what_is_below_it_or_a_pattern(
    pleo: Sandbox, client: Client, path: str, expected: list[int]
) -> None:
    job = pleo.add_job(items=1)
    pleo.add_fault(Fault(path=path, nth=None))
    paths = ["/v3/export-jobs", f"/v3/export-jobs/{job.id}/items"]
    assert [client.get(each).status_code for each in paths] == expected


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("reset", requests.ConnectionError, None),
        ("reset_body", requests.exceptions.ChunkedEncodingError, 200),
        ("truncate", requests.exceptions.ChunkedEncodingError, 200),
    ],
)
def test_a_broken_connection_is_an_error_once_and_then_over(
    pleo: Sandbox, client: Client, kind: str, error: type[Exception], status: int | None
) -> None:
    job = pleo.add_job(items=10)
    pleo.add_fault(Fault(path=ITEMS, kind=kind))  # type: ignore[arg-type] # one of the literals
    with pytest.raises(error):
        client.items(job)
    assert pleo.requests[0].status == status
    assert len(client.items(job).json()["data"]) == 10


def test_a_web_page_instead_of_json(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1)
    pleo.add_fault(Fault(path=ITEMS, kind="html"))
    answer = client.items(job)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_a_delay_outlasts_a_short_timeout_and_ends_with_the_sandbox(pleo: Sandbox, client: Client) -> None:
    pleo.add_fault(Fault(path="/v3/export-jobs", kind="delay", seconds=600))
    with pytest.raises(requests.ReadTimeout):
        requests.get(pleo.url + "/v3/export-jobs", auth=(pleo.api_key, ""), timeout=0.05)
    before = time.monotonic()
    pleo.stop()
    assert time.monotonic() - before < 60
    assert client.pleo.requests[0].path == "/v3/export-jobs"


def test_a_rewritten_answer_keeps_its_exact_numbers(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1)
    job.items[0]["amount"]["inWalletCurrency"]["value"] = Decimal("0.10000000000000000001")
    pleo.add_fault(Fault(path=ITEMS, kind="rewrite", rewrite=lambda page: page | {"data": page["data"] * 2}))
    answer = client.items(job)
    assert len(answer.json()["data"]) == 2
    assert answer.text.count("0.10000000000000000001") == 2


def test_a_callback_changes_the_world_before_the_answer(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=3, status="in_progress")
    pleo.add_fault(
        Fault(path=ITEMS, nth=2, kind="callback", callback=lambda world: job.finish("completed", world.now()))
    )
    assert [client.items(job, limit=1).status_code for _ in range(2)] == [200, 422]


def test_faults_on_the_same_request_take_effect_together(pleo: Sandbox, client: Client) -> None:
    seen: list[Sandbox] = []
    job = pleo.add_job(items=1)
    pleo.add_fault(Fault(path=ITEMS, kind="callback", callback=seen.append))
    pleo.add_fault(Fault(path=ITEMS, status=502))
    assert client.items(job).status_code == 502
    assert seen == [pleo]


def test_a_failing_callback_is_raised_where_the_sandbox_is_left() -> None:
    with pytest.raises(RuntimeError, match="sandbox itself failed") as caught, Sandbox() as pleo:  # noqa: PT012 - leaving raises
        pleo.add_fault(Fault(path="/", nth=None, kind="callback", callback=lambda world: world.jobs["none"]))
        assert requests.get(pleo.url + "/v3/export-jobs", timeout=10).status_code == 500
    assert isinstance(caught.value.__cause__, KeyError)


def test_one_connection_serves_many_requests_and_none_outlives_the_sandbox() -> None:
    before = set(threading.enumerate())
    with Sandbox() as pleo, requests.Session() as session:
        for _ in range(3):
            assert session.get(pleo.url + "/v3/export-jobs", auth=(pleo.api_key, ""), timeout=10).ok
        assert pleo.connections.accepted == 1
        port = pleo.port
        pleo.stop()
        assert set(threading.enumerate()) == before
        with pytest.raises(requests.ConnectionError):
            session.get(pleo.url, timeout=10)
        pleo.start()
        assert pleo.port == port


def test_requests_are_recorded(pleo: Sandbox, client: Client) -> None:
    client.get("/v3/export-jobs", statuses=["pending", "in_progress"])
    client.event(pleo.add_job(items=1), "started")
    requests.get(pleo.url + "/v1/introspect", headers={"Authorization": "Bearer x"}, timeout=10)
    listed, posted, asked = pleo.requests
    assert (listed.method, listed.query, listed.auth) == ("GET", {"statuses": ["pending", "in_progress"]}, "basic")
    assert listed.user_agent.startswith("python-requests/")
    assert listed.time == pleo.now()
    assert posted.json["event"] == "started"
    assert (asked.auth, asked.status) == ("bearer", 401)
    assert pleo.requests_to("/v3") == [listed, posted]


def test_a_connection_is_closed_behind_an_answer_that_did_not_say_so(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1)
    pleo.add_fault(Fault(path=ITEMS, kind="close"))
    # The end of the connection may come after the next request.
    client.session.mount(pleo.url, HTTPAdapter(max_retries=1))

    answers = [client.items(job) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json() == answers[1].json()
    assert "Connection" not in answers[0].headers
    assert pleo.connections.accepted == 2


def test_a_head_may_drip(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1)
    pleo.add_fault(Fault(path=ITEMS, kind="drip_head", seconds=0.002))
    began = time.monotonic()

    answer = client.items(job)

    assert len(answer.json()["data"]) == 1
    assert time.monotonic() - began > 0.002 * sum(map(len, [*answer.headers, *answer.headers.values()]))
