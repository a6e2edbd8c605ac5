"""Faults hit the requests that they name, and spoil the response before or after its effect."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from sandbox import Fault, Sandbox
from tests.sandbox.conftest import Client

ITEMS = "/v3/export-items"
UPDATES = "/v3/export-jobs/*/items"


def test_faults_hit_the_nth_match_of_path_and_query(pleo: Sandbox, client: Client) -> None:
    hit, spared = pleo.add_job(items=1), pleo.add_job(items=1)
    pleo.add_fault(Fault(path=ITEMS, query={"job_id": hit.id}, nth=2, times=2, status=503))

    answers = [client.items(job).status_code for job in (spared, hit, spared, hit, hit, hit)]

    assert answers == [200, 200, 200, 503, 503, 200]
    assert [request.status for request in pleo.requests] == answers


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/v3/export-jobs", [500, 500]), (UPDATES, [200, 500]), (ITEMS, [200, 200])],
)
def test_faults_hit_a_path_and_below_or_a_pattern(
    pleo: Sandbox, client: Client, path: str, expected: list[int]
) -> None:
    job = pleo.add_job(items=1)
    pleo.add_fault(Fault(path=path, nth=None))

    paths = ["/v3/export-jobs", f"/v3/export-jobs/{job.id}/items"]
    assert [client.get(each).status_code for each in paths] == expected


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ({"kind": "status"}, 0),
        ({"kind": "status", "effect": True}, 1),
        ({"kind": "html"}, 0),
        ({"kind": "html", "effect": True}, 1),
        ({"kind": "reset"}, 1),
        ({"kind": "reset", "effect": False}, 0),
        ({"kind": "reset_body"}, 1),
        ({"kind": "truncate", "effect": False}, 0),
        ({"kind": "delay", "seconds": 600}, 0),
        ({"kind": "delay", "seconds": 600, "effect": True}, 1),
    ],
    ids=str,
)
def test_responses_are_spoilt_before_or_after_the_effect(
    pleo: Sandbox, client: Client, fault: dict[str, Any], changes: int
) -> None:
    job = pleo.add_job(items=1, status="in_progress")
    pleo.add_fault(Fault(path=UPDATES, method="PUT", **fault))
    body = [{"accountingEntryId": next(iter(job.item_statuses)), "status": "successful"}]

    try:
        url = f"{pleo.url}/v3/export-jobs/{job.id}/items"
        answer = requests.put(url, json=body, auth=client.session.auth, timeout=2 if "seconds" in fault else 60)
    except requests.RequestException:
        answer = None

    assert answer is None or answer.status_code >= 500 or "html" in answer.headers["Content-Type"]
    assert len(pleo.changes) == changes


def test_faults_on_the_same_request_apply_together(pleo: Sandbox, client: Client) -> None:
    job = pleo.add_job(items=1)
    pleo.add_fault(Fault(path=ITEMS, kind="callback", callback=lambda world: world.jobs.clear()))
    pleo.add_fault(Fault(path=ITEMS, kind="rewrite", rewrite=lambda body: {"rewritten": body["type"]}))

    assert client.items(job).json() == {"rewritten": "EXPORT_NOT_FOUND"}


def test_a_failing_callback_is_raised_at_the_end_of_the_block() -> None:
    with pytest.raises(RuntimeError, match="sandbox itself failed") as caught, Sandbox() as pleo:  # noqa: PT012 - the end of the block raises
        pleo.add_fault(Fault(path="/", nth=None, kind="callback", callback=lambda world: world.jobs["none"]))
        assert requests.get(pleo.url + "/v3/export-jobs", timeout=10).status_code == 500
    assert isinstance(caught.value.__cause__, KeyError)


def test_connections_are_kept_and_none_outlives_the_sandbox() -> None:
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
