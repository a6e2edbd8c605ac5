"""The real server on loopback, without Dagster."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import yaml
from standardwebhooks import Webhook

from dagster_pleo_export import webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
UUID = "8eb648ab-464b-42a0-ba17-eda703657e33"
ACME = json.dumps({"eventType": "v1.export-job.created", "data": {"companyId": UUID.upper()}})


@dataclass
class Dagster:
    """Records deliveries, or fails."""

    delivered: list[tuple[str, str]] = field(default_factory=list)
    broken: bool = False

    def deliver(self, company: str, delivery: str) -> None:
        if self.broken:
            raise OSError
        self.delivered.append((company, delivery))


@pytest.fixture
def dagster() -> Dagster:
    return Dagster()


@pytest.fixture
def url(dagster: Dagster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    companies = [
        {"id": "acme", "company_id": UUID, "credential": "shared"},
        {"id": "beta", "credential": "shared"},
        {"id": "gamma", "credential": "other"},
    ]
    shared = {"api_key": {"env": "KEY"}, "webhook_secret": {"env": "WEBHOOK"}}
    credentials = {"shared": shared, "other": {"api_key": {"env": "KEY"}}}
    (tmp_path / "fleet.yml").write_text(yaml.safe_dump({"companies": companies, "credentials": credentials}))
    monkeypatch.setenv("PLEO_FLEET", str(tmp_path / "fleet.yml"))
    monkeypatch.setenv("WEBHOOK", SECRET)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = webhook.server(dagster.deliver)
        thread = threading.Thread(target=asyncio.run, args=(server.serve([listening]),))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def signed(body: str, delivery: str = "msg_1", age: float = 0, secret: str = SECRET) -> dict[str, str]:
    at = int(time.time() - age)
    signature = Webhook(secret).sign(delivery, datetime.fromtimestamp(at, UTC), body)
    return {"webhook-id": delivery, "webhook-timestamp": str(at), "webhook-signature": signature}


def post(url: str, headers: dict[str, str], body: str | bytes = ACME, credential: str = "shared") -> int:
    return requests.post(f"{url}/{credential}", data=body, headers=headers, timeout=30).status_code


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), 30)


def test_a_signed_delivery_names_its_company_once(url: str, dagster: Dagster) -> None:
    message = signed(ACME)
    rotated = message | {"webhook-signature": f"v2,AAAA v1,AAAA {message['webhook-signature']}"}

    assert [post(url, rotated), post(url, message), post(url, message)] == [202] * 3
    assert dagster.delivered == [("acme", "msg_1")]


@pytest.mark.parametrize(
    ("body", "companies"),
    [
        (json.dumps({"data": {"companyId": "12abc3d4-e567-890e-1234-abc56e78fabc"}}), ["beta"]),
        ("no JSON", ["acme", "beta"]),
        ("[" * 10_000, ["acme", "beta"]),
        (json.dumps({"eventType": "v1.something-else", "data": {"companyId": UUID}}), []),
    ],
)
def test_the_body_is_only_a_hint(url: str, dagster: Dagster, body: str, companies: list[str]) -> None:
    assert post(url, signed(body), body) == 202
    assert [company for company, _ in dagster.delivered] == companies


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({}, ACME + " "),
        ({}, b"\xff"),
        ({"webhook-id": "msg_other"}, ACME),
        ({"webhook-id": ""}, ACME),
        *(({"webhook-timestamp": odd}, ACME) for odd in ("1614265331", "soon", "9" * 400)),
        *(({"webhook-signature": odd}, ACME) for odd in ("", "v1", "v1,A", "v1,Ünicode")),
        # Signed when the tests are collected, so well outside the five minutes.
        (signed(ACME, age=3600), ACME),
        (signed(ACME, age=-3600), ACME),
        (signed(ACME, secret="whsec_AAAA"), ACME),
    ],
)
def test_a_delivery_with_any_difference_is_refused(
    url: str, dagster: Dagster, change: dict[str, str], body: str | bytes
) -> None:
    headers = {name: value.encode("latin-1") for name, value in (signed(ACME) | change).items()}

    assert requests.post(f"{url}/shared", data=body, headers=headers, timeout=30).status_code == 401
    assert dagster.delivered == []


@pytest.mark.parametrize("secret", ["whsec_%%%", "whsec_", "whsec_A"])
def test_an_unusable_secret_refuses_everything(url: str, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("WEBHOOK", secret)

    assert post(url, signed(ACME)) == 401


def test_an_unknown_address_gets_the_response_of_a_wrong_signature(url: str, dagster: Dagster) -> None:
    assert [post(url, signed(ACME), credential=name) for name in ("other", "nobody", "a/b", "../x")] == [401] * 4
    assert dagster.delivered == []


def test_a_missing_fleet_file_is_a_temporary_failure(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLEO_FLEET", "/nowhere/fleet.yml")

    assert post(url, signed(ACME)) == 503


def test_a_delivery_that_failed_is_accepted_when_repeated(url: str, dagster: Dagster) -> None:
    message = signed(ACME)
    dagster.broken = True
    assert post(url, message) == 500

    dagster.broken = False
    assert post(url, message) == 202
    assert dagster.delivered == [("acme", "msg_1")]


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 3000000000\r\n", b"Content-Length: 00000003000000000\r\n", b"Transfer-Encoding: chunked\r\n"],
)
def test_the_size_limit_counts_bytes_read_without_a_signature_too(url: str, framing: bytes) -> None:
    with connect(url) as client:
        chunk = b"2000000\r\n" if b"chunked" in framing else b""
        client.sendall(b"POST /shared HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n" + chunk)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 32 * 1024 * 1024:
                sent += client.send(bytes(64 * 1024))
        # Socket buffers on both sides take some.
        assert sent < 16 * 1024 * 1024


@pytest.mark.parametrize("begun", [b"", b"POST /sha", b"POST /shared HTTP/1.1\r\nContent-Length: 100\r\n\r\nx"])
def test_a_request_that_drips_is_cut_off(url: str, monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(webhook, "REQUEST_SECONDS", 0.5)
    with connect(url) as client:
        client.sendall(begun)
        client.settimeout(0.1)
        closed = threading.Event()
        ends = time.monotonic() + 20
        while not closed.is_set() and time.monotonic() < ends:
            try:
                client.sendall(b"x" if begun else b"")
                if client.recv(1000) == b"":
                    closed.set()
            except TimeoutError:
                continue
            except ConnectionError:
                closed.set()
        assert closed.is_set()


def test_connections_are_limited(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MAX_CONNECTIONS", 2)
    with connect(url) as first, connect(url) as second, connect(url) as third:
        third.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            assert third.recv(1) == b""
        first.close()
        second.close()
    # The places are free again, as soon as the server has noticed.
    ends = time.monotonic() + 20
    status = None
    while status != 202 and time.monotonic() < ends:
        with contextlib.suppress(requests.ConnectionError):
            status = post(url, signed(ACME))
    assert status == 202
