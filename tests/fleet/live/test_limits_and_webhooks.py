"""Dagster's part: limits, webhooks, restarts, alerts. A fake Meltano makes it quick."""

from __future__ import annotations

import functools
import itertools
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from sandbox import Fault, Sandbox
from sandbox.jobs import Job
from sandbox.recording import Request
from tools.fleet import DAGSTER, QUICK, FleetRig
from tools.fleet_world import WEBHOOK_SECRET
from tools.postgres import Postgres

# Seconds in which a run beyond a limit would be seen.
BEYOND = 5.0
pytestmark = pytest.mark.timeout(600)
SECONDS = 300
HOOK = "/hooks/planted-token-of-the-alerts"
UNPOSTED = b"The alert could not be posted: ConnectionError"
FAKE = "fake-meltano"
CREDENTIALS: dict[str, Any] = {
    "left": {"api_key": {"env": "LEFT_KEY"}, "webhook_secret": {"env": "LEFT_WEBHOOK"}},
    "right": {"api_key": {"env": "RIGHT_KEY"}},
}
COMPANIES = [f"00000000-0000-4000-8000-{number:012}" for number in range(6)]
IDLE = COMPANIES[5]

_numbers = itertools.count()


@pytest.fixture(scope="module")
def new_rig(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., FleetRig]]:
    """Return a function that makes a fleet of six companies, five with a job, with a fake Meltano."""
    made: list[FleetRig] = []
    executable = tmp_path_factory.mktemp("bin") / "meltano"
    executable.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("fake_meltano.py")} "$@"\n')
    executable.chmod(0o755)

    def make(pleo: Sandbox, secrets: dict[str, str] | None = None, **options: Any) -> FleetRig:
        companies = [
            {"id": f"c{number}", "company_id": company, "credential": credential_of(number)}
            for number, company in enumerate(COMPANIES)
        ]
        meltano = {"executable": str(executable), "project": str(tmp_path_factory.mktemp("project"))}
        keys = {"LEFT_KEY": pleo.api_key, "RIGHT_KEY": pleo.api_key, "LEFT_WEBHOOK": WEBHOOK_SECRET}
        rig = FleetRig(
            tmp_path_factory.mktemp("rig") / "home",
            server,
            pleo,
            companies,
            CREDENTIALS,
            {"meltano": meltano, "discovery": QUICK | {"interval": 3600}} | options,
            keys | (secrets or {}),
            prefix=f"rig{next(_numbers)}_",
        )
        made.append(rig)
        return rig

    yield make
    for rig in made:
        rig.stop()


def credential_of(number: int) -> str:
    return "left" if number % 2 else "right"


def jobs_of(pleo: Sandbox, companies: list[str]) -> dict[str, Job]:
    return {company: pleo.add_job(items=1, company_id=company) for company in companies}


def add_fault_of_runs(pleo: Sandbox, fault: Fault, company: str | None = None) -> None:
    """Add a fault that hits requests of runs, or of one company's runs, but not of discovery."""

    def hits(request: Request) -> bool:
        return request.user_agent == FAKE and (company is None or company in request.query["company_id"])

    fault.hits = hits  # type: ignore[method-assign] # a fault cannot match a user agent
    pleo.add_fault(fault)


class Gate:
    """Blocks the requests of runs until enough are in flight, and a while longer to see any beyond the limit.

    Attributes:
        peak: The maximum number of requests in flight.
        peaks: The same by credential.
    """

    def __init__(self, expected: int) -> None:
        self.peak = 0
        self.peaks: Counter[str] = Counter()
        self._expected = expected
        self._in_flight: Counter[str] = Counter()
        self._reached = threading.Event()
        self._lock = threading.Lock()

    def hold(self, credential: str, _: Sandbox) -> None:
        with self._lock:
            self._in_flight[credential] += 1
            self.peaks |= self._in_flight
            self.peak = max(self.peak, self._in_flight.total())
        if self.peak >= self._expected:
            self._reached.set()
        self._reached.wait(SECONDS / 3)
        time.sleep(BEYOND)
        with self._lock:
            self._in_flight[credential] -= 1


LIMITS = [
    # The first caps the total, the second each credential.
    pytest.param({"runs": 2, "runs_per_credential": 5}, 2, id="in total"),
    pytest.param({"runs": 5, "runs_per_credential": 1}, 1, id="per credential"),
]


@pytest.mark.parametrize(("limits", "of_credential"), LIMITS)
def test_each_limit_applies_alone_and_is_reached(
    new_rig: Callable[..., FleetRig], limits: dict[str, int], of_credential: int
) -> None:
    gate = Gate(expected=2)
    with Sandbox() as pleo:
        for number, company in enumerate(COMPANIES[:4]):
            callback = functools.partial(gate.hold, credential_of(number))
            add_fault_of_runs(
                pleo, Fault(path="/v3/export-jobs", nth=None, kind="callback", callback=callback), company
            )
        jobs_of(pleo, COMPANIES[:4])
        with new_rig(pleo, limits=limits) as rig:
            rig.start_daemon()
            rig.wait(rig.settled(["c0", "c1", "c2", "c3"]), SECONDS, "the runs")

    assert gate.peak == 2
    assert max(gate.peaks.values()) <= of_credential
    assert Counter(run["status"] for run in rig.runs()) == {"SUCCESS": 4}


def delivery(company: str, number: str = "msg_1", **change: str) -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"eventType": "v1.export-job.created", "data": {"companyId": company}})
    now = datetime.now(UTC)
    headers = {"webhook-id": number, "webhook-timestamp": str(int(now.timestamp()))}
    headers["webhook-signature"] = Webhook(WEBHOOK_SECRET).sign(number, now, body)
    return body.encode(), headers | {name.replace("_", "-"): value for name, value in change.items()}


def post(url: str, message: tuple[bytes, dict[str, str]]) -> int:
    return requests.post(url, data=message[0], headers=message[1], timeout=30).status_code


def asked_about(pleo: Sandbox, company: str) -> int:
    """Return how often discovery has asked about a company."""
    return sum(
        request.user_agent != FAKE and company in request.query.get("company_id", ()) for request in pleo.requests
    )


def test_webhooks_precede_polling_and_a_restart_repeats_no_request(new_rig: Callable[..., FleetRig]) -> None:
    with Sandbox() as pleo, new_rig(pleo) as rig:
        url = rig.start_webhook()
        rig.start_daemon()
        rig.wait(lambda: all(asked_about(pleo, company) for company in COMPANIES), SECONDS, "the first round")
        jobs_of(pleo, [IDLE, COMPANIES[0]])

        # Only c5's credential has a webhook, so only c5 is asked about again: polling is an hour away.
        assert post(f"{url}/left", delivery(IDLE, webhook_signature="v1,AAAA")) == HTTPStatus.UNAUTHORIZED
        assert post(f"{url}/right", delivery(IDLE)) == HTTPStatus.UNAUTHORIZED
        assert post(f"{url}/nobody", delivery(IDLE)) == HTTPStatus.UNAUTHORIZED
        assert post(f"{url}/left", (b"{}", {})) == HTTPStatus.UNAUTHORIZED
        before = asked_about(pleo, IDLE)
        message = delivery(IDLE)
        began = time.monotonic()
        assert post(f"{url}/left", message) == HTTPStatus.ACCEPTED
        assert time.monotonic() - began < 5
        # The replay is accepted, so that it is not sent again, but ignored.
        assert post(f"{url}/left", message) == HTTPStatus.ACCEPTED
        rig.wait(rig.settled(["c5"]), SECONDS, "the run that the webhook asked for")

        rig.stop("daemon")
        rig.start_daemon()
        # A later delivery shows that the sensor is back.
        asked = asked_about(pleo, COMPANIES[1])
        assert post(f"{url}/left", delivery(COMPANIES[1], "msg_2")) == HTTPStatus.ACCEPTED
        rig.wait(lambda: asked_about(pleo, COMPANIES[1]) > asked, SECONDS, "the sensor after the restart")

        assert asked_about(pleo, IDLE) == before + 1
        assert [asked_about(pleo, company) for company in COMPANIES] == [1, 2, 1, 1, 1, 2]
        assert [run["company"] for run in rig.runs()] == ["c5"]
        assert WEBHOOK_SECRET.encode() not in b"".join(text for text in rig.texts().values())


@contextmanager
def listening() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Receive alerts on loopback; yield the URL, and the received paths and bodies."""
    heard: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{HOOK}", heard
        finally:
            server.shutdown()


def test_alerts_contain_no_secrets_and_an_unreachable_url_only_logs_a_warning(new_rig: Callable[..., FleetRig]) -> None:
    first, second, third = COMPANIES[:3]
    with Sandbox() as pleo:
        for company in (first, second):
            add_fault_of_runs(pleo, Fault(path="/v3/export-jobs", nth=None, status=503), company)
        job = jobs_of(pleo, [first])[first]
        with listening() as (url, heard):
            options = {"discovery": QUICK, "alerts": {"url": {"env": "ALERT_URL"}}}
            rig = new_rig(pleo, secrets={"ALERT_URL": url}, **options)
            rig.start_daemon()
            rig.wait(lambda: bool(heard), SECONDS, "the alert")
        # From here on the URL is unreachable.
        with rig:
            jobs_of(pleo, [second])

            def warned() -> bool:
                lines = list(log_of("alerts", rig))
                of_second = any(b"Company c1: attempt 1" in line for line in lines)
                return of_second and any(b"WARNING" in line and UNPOSTED in line for line in lines)

            rig.wait(warned, SECONDS, "the warning that an alert could not be posted")
            jobs_of(pleo, [third])
            rig.wait(rig.settled(["c2"]), SECONDS, "a load after that")
            with rig.server.connect(rig.prefix + DAGSTER) as connection:
                ticks = connection.execute("SELECT count(*) FROM job_ticks WHERE status = 'FAILURE'").fetchone()
        texts = rig.texts()

    path, body = heard[0]
    reported = json.loads(body)
    assert path == HOOK
    assert reported["company"] == "c0"
    assert re.fullmatch(
        rf"Company c0: attempt 1 to load export job {job.id} failed, 5\d minutes left\. "
        r"Pleo answered 503 to \*\*\*\. It is retried automatically, in 1 min at the earliest; .*",
        reported["text"],
    )
    # One alert per failed run.
    assert len({body for _, body in heard}) == len(heard)
    assert ticks == (0,)
    for secret in (pleo.api_key, HOOK):
        assert not [where for where, text in texts.items() if secret.encode() in text]


def log_of(sensor: str, rig: FleetRig) -> Iterator[bytes]:
    """Return the log lines of a sensor."""
    for path in rig.home.rglob("*"):
        if path.is_file() and sensor in str(path):
            yield from path.read_bytes().splitlines()
