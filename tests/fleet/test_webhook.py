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

from dagster_pleo_export import companies, runtime, webhook
from tools.bench.webhook import send_all

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
UUID = "8eb648ab-464b-42a0-ba17-eda703657e33"
ACME = json.dumps({"eventType": "v1.export-job.created", "data": {"companyId": UUID.upper()}})


@dataclass
class Dagster:
    """Records deliveries, or fails."""

    delivered: list[tuple[str, str]] = field(default_factory=list)
    broken: bool = False
    entered: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def deliver(self, company: str, delivery: str) -> None:
        self.entered.set()
        self.gate.wait(60)
        if self.broken:
            raise OSError
        self.delivered.append((company, delivery))

    async def deliver_in_thread(self, company: str, delivery: str) -> None:
        await asyncio.to_thread(self.deliver, company, delivery)


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
        server = webhook.server(dagster.deliver_in_thread)
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


HOST = b"Host: x\r\n"
POST = b"POST /shared HTTP/1.1\r\n" + HOST
GET = b"GET /shared HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"POST http://[/x HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="an address that is not one"),
        pytest.param(b"POST /shared HTTP/1.1\r\nHost: [\r\n\r\n", 401, id="a host that is not one"),
        pytest.param(b"POST /shared HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"POST * HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="no path"),
        pytest.param(b"POST /%00%0a%ff HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="control characters"),
        pytest.param(b"POST / HTTP/1.1\r\n" + HOST + b"\r\n", 401, id="no credential"),
        pytest.param(GET + b"\r\n", 405, id="GET"),
        pytest.param(b"HEAD /shared HTTP/1.1\r\n" + HOST + b"\r\n", 405, id="HEAD"),
        pytest.param(b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="CONNECT"),
        pytest.param(b"BREW /shared HTTP/1.1\r\n" + HOST + b"\r\n", 405, id="an unknown method"),
        pytest.param(GET + b"Content-Length: 400000\r\n\r\n" + b"x" * 400_000, 405, id="GET with a body"),
        pytest.param(GET + b"Content-Length: 100\r\n\r\nx", 405, id="GET with an unfinished body"),
        pytest.param(GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", 405, id="WebSocket"),
        *(
            pytest.param(POST + b"Content-Length: " + odd + b"\r\n\r\nx", 400, id=f"Content-Length {odd[:9].decode()}")
            for odd in (b"-1", b"+1", b"0x1", b"1e0", b"1,2", b"1\r\nContent-Length: 2", b"0" * 5000, b"9" * 5000)
        ),
        pytest.param(POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, id="gzip"),
        *(
            pytest.param(CHUNKED + odd + b"\r\n", 400, id=f"chunk {odd[:9].decode()}")
            for odd in (b"zz", b"-1", b"+1", b"f" * 30)
        ),
        pytest.param(CHUNKED + b"0\r\n" + b"A: b\r\n" * 60_000 + b"\r\n", 400, id="trailers"),
        pytest.param(CHUNKED + b"1\r\nx\r\n" * 300_000, 413, id="many small chunks"),
        pytest.param(POST + b"A: " + b"x" * 2_000_000 + b"\r\n\r\n", 400, id="a huge header"),
        pytest.param(POST + b"A: b\r\n" * 100_000 + b"\r\n", 400, id="many headers"),
        pytest.param(b"POST /" + b"x" * 2_000_000 + b" HTTP/1.1\r\n\r\n", 400, id="a huge path"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400, id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404, id="HTTP/2"),
        pytest.param((POST + b"Content-Length: 0\r\n\r\n") * 1000, 401, id="pipelined"),
    ],
)
def test_a_stranger_gets_one_response_and_the_connection_is_closed(
    url: str, dagster: Dagster, caplog: pytest.LogCaptureFixture, request_: bytes, status: int
) -> None:
    with connect(url) as client:
        answer = b""
        # Well before the limit of a request. The server may close before it has read everything.
        client.settimeout(webhook.REQUEST_SECONDS / 2)
        with contextlib.suppress(ConnectionError):
            client.sendall(request_)
            while part := client.recv(65536):
                answer += part

    assert answer.startswith(b"HTTP/1.1 %d " % status) or (not answer and len(request_) > 65536)
    assert answer.count(b"HTTP/1.1 401") <= 1
    assert dagster.delivered == []
    assert [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []


def raw(message: dict[str, str], *more: str, body: str = ACME) -> bytes:
    headers = [*(f"{name}: {value}" for name, value in message.items()), *more, f"Content-Length: {len(body)}"]
    return POST + "".join(f"{header}\r\n" for header in headers).encode() + f"\r\n{body}".encode()


@pytest.mark.parametrize("name", webhook.HEADERS)
def test_a_header_of_the_signature_that_is_given_twice_is_refused(url: str, dagster: Dagster, name: str) -> None:
    message = signed(ACME)
    for twice in (message[name], "other"):
        with connect(url) as client:
            client.sendall(raw(message, f"{name}: {twice}"))
            assert client.recv(1000).startswith(b"HTTP/1.1 401 ")
    assert dagster.delivered == []


@pytest.mark.parametrize("spelling", ["{}.0", "{}.9", "+{}", "0_{}", "{:e}"])
def test_a_time_that_is_not_whole_seconds_is_refused(url: str, dagster: Dagster, spelling: str) -> None:
    message = signed(ACME)
    message["webhook-timestamp"] = spelling.format(int(message["webhook-timestamp"]))

    assert post(url, message) == 401
    assert dagster.delivered == []


def test_a_connection_is_kept_after_a_signature_and_closed_after_a_refusal(url: str, dagster: Dagster) -> None:
    with connect(url) as client:
        for number in range(3):
            client.sendall(raw(signed(ACME, f"msg_{number}")))
            assert client.recv(1000).startswith(b"HTTP/1.1 202 ")
        client.sendall(raw({}))
        assert client.recv(1000).startswith(b"HTTP/1.1 401 ")
        assert client.recv(1000) == b""
    assert len(dagster.delivered) == 3


def test_pipelined_deliveries_are_answered_in_order(url: str, dagster: Dagster) -> None:
    with connect(url) as client:
        client.sendall(b"".join(raw(signed(ACME, f"msg_{number}")) for number in range(20)) + raw({}))
        answer = b""
        while part := client.recv(65536):
            answer += part

    assert answer.count(b"HTTP/1.1 202 ") == 20
    assert [delivery for _, delivery in dagster.delivered] == [f"msg_{number}" for number in range(20)]


def test_an_idle_connection_is_closed_after_a_signature_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "REQUEST_SECONDS", 0.5)
    with connect(url) as client:
        client.sendall(raw(signed(ACME)) + POST)
        assert client.recv(1000).startswith(b"HTTP/1.1 202 ")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1000) == b""


def test_the_oldest_delivery_is_forgotten_first(url: str, dagster: Dagster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MAX_REMEMBERED", 2)
    messages = [signed(ACME, f"msg_{number}") for number in range(3)]

    for message in (*messages, messages[2], messages[1], messages[0]):
        assert post(url, message) == 202
    assert [delivery for _, delivery in dagster.delivered] == ["msg_0", "msg_1", "msg_2", "msg_0"]


@pytest.mark.parametrize("broken", [False, True])
def test_a_replay_gets_the_result_of_the_delivery_that_is_still_passed_on(
    url: str, dagster: Dagster, broken: bool
) -> None:
    dagster.gate.clear()
    dagster.broken = broken
    message = signed(ACME)
    with connect(url) as first, connect(url) as second:
        first.sendall(raw(message))
        assert dagster.entered.wait(20)
        second.sendall(raw(message))
        second.settimeout(0.5)
        with pytest.raises(TimeoutError):
            second.recv(1000)
        second.settimeout(20)
        dagster.gate.set()
        statuses = {client.recv(1000)[:12] for client in (first, second)}

    assert statuses == {b"HTTP/1.1 500" if broken else b"HTTP/1.1 202"}
    assert dagster.delivered == ([] if broken else [("acme", "msg_1")])


def test_requests_of_clients_that_have_left_count_as_connections(
    url: str, dagster: Dagster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "MAX_CONNECTIONS", 2)
    dagster.gate.clear()
    for number in range(2):
        with connect(url) as client:
            client.sendall(raw(signed(ACME, f"msg_{number}")))
            assert dagster.entered.wait(20)
            dagster.entered.clear()
    # The server may not yet have noticed that they left when the first of these comes.
    for _ in range(20):
        with connect(url) as client, contextlib.suppress(ConnectionResetError):
            client.settimeout(webhook.REQUEST_SECONDS / 2)
            assert client.recv(1000) == b""
    dagster.gate.set()


def test_strangers_cannot_fill_the_log(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhook, "MAX_REFUSALS", 3)
    for _ in range(10):
        assert post(url, {}) == 401
    assert len(caplog.records) == 3

    monkeypatch.setattr(webhook, "REFUSALS_SECONDS", 0)
    assert post(url, {}) == 401
    assert [record.getMessage().split(":")[0] for record in caplog.records[3:]] == [
        "7 more deliveries refused",
        "Delivery to /shared refused (401)",
    ]


def test_a_company_id_in_upper_case_is_found(tmp_path: Path) -> None:
    companies_ = [{"id": "acme", "company_id": UUID.upper(), "credential": "a"}, {"id": "beta", "credential": "a"}]
    (tmp_path / "fleet.yml").write_text(
        yaml.safe_dump({"companies": companies_, "credentials": {"a": {"api_key": {"env": "KEY"}}}})
    )
    fleet = companies.read(tmp_path / "fleet.yml")

    for spelling in (UUID, UUID.upper()):
        body = json.dumps({"data": {"companyId": spelling}}).encode()
        assert [company.id for company in webhook.hinted(fleet, "a", body)] == ["acme"]


def test_a_table_of_companies_is_not_read_for_each_delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"url": {"env": "DATABASE"}, "query": "SELECT 'acme' AS id"}
    (tmp_path / "fleet.yml").write_text(
        yaml.safe_dump({"companies": table, "credentials": {"acme": {"api_key": {"env": "KEY"}}}})
    )
    monkeypatch.setenv("PLEO_FLEET", str(tmp_path / "fleet.yml"))
    monkeypatch.setenv("DATABASE", "sqlite://")
    first = runtime.fleet()

    assert runtime.fleet(max_age=60) is first
    assert runtime.fleet() is not first


def test_the_size_limit_counts_what_surrounds_chunks(url: str) -> None:
    with connect(url) as client, contextlib.suppress(ConnectionError):
        client.sendall(CHUNKED + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
        assert client.recv(1000) == b""


def test_each_delivery_of_a_kept_connection_may_have_the_whole_size(url: str, dagster: Dagster) -> None:
    body = ACME + " " * 200_000
    with connect(url) as client:
        for number in range(4):
            client.sendall(raw(signed(body, f"msg_{number}"), body=body))
            assert client.recv(1000).startswith(b"HTTP/1.1 202 ")
    assert len(dagster.delivered) == 4


def test_none_of_many_deliveries_at_once_is_lost_or_wrong(url: str, dagster: Dagster) -> None:
    bodies = [json.dumps({"data": {"companyId": UUID if number % 2 else str(number)}}) for number in range(500)]
    messages = [
        (raw(signed(body, f"msg_{number}", secret=SECRET if number % 10 else "whsec_AAAA"), body=body), number % 10)
        for number, body in enumerate(bodies)
    ]
    requests_ = [(message, 202 if right else 401) for message, right in messages]
    port = int(url.rpartition(":")[2])

    # Replays, too.
    found, _ = asyncio.run(send_all(port, requests_ + requests_, rate=10**6))

    assert (found["right"], sum(found.values()) - found["seconds"]) == (1000, 1000)
    expected = {("acme" if number % 2 else "beta", f"msg_{number}") for number in range(500) if number % 10}
    assert sorted(dagster.delivered) == sorted(expected)
