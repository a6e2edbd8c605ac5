"""Answers from a real socket: dripping, endless, compressed, damaged, and too many at once."""

from __future__ import annotations

import contextlib
import gc
import gzip
import io
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator

import pytest
import requests
import urllib3

from sandbox import Sandbox
from tap_pleo_export.api.errors import AnswerTooLarge, TransientFailure
from tap_pleo_export.api.sender import BodyTooLarge, MemoryBudget, Sender, read_body

LIMIT = 1024 * 1024
DRIP_SECONDS = 0.1


class Answering:
    """A server that answers each connection with the same pieces, with a pause between them."""

    def __init__(self, pieces: Callable[[], Iterable[bytes]], pause: float) -> None:
        self._pieces = pieces
        self._pause = pause
        self._stopping = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self.accepted = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if self._stopping.is_set():
                    return
                self.accepted += 1
                connection.recv(65536)
                with contextlib.suppress(OSError):
                    for piece in self._pieces():
                        connection.sendall(piece)
                        if self._pause and self._stopping.wait(self._pause):
                            return

    def stop(self) -> None:
        self._stopping.set()
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def answering() -> Iterator[Callable[..., str]]:
    """Serve pieces of an answer, with a pause between them."""
    servers: list[Answering] = []

    def start(*pieces: bytes, pause: float = 0, forever: bytes = b"") -> str:
        def all_pieces() -> Iterator[bytes]:
            yield from pieces
            while forever:
                yield forever

        servers.append(Answering(all_pieces, pause))
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()


def body(url: str, timeout: float = 10, max_bytes: int = LIMIT) -> bytes:
    """Fetch an address the way the connector does."""
    with contextlib.closing(Sender()) as sender:
        return sender.send(requests.Request("GET", url).prepare(), timeout, max_bytes=max_bytes).body


def head(*headers: str) -> bytes:
    return "\r\n".join(("HTTP/1.1 200 OK", *headers, "", "")).encode()


def whole(content: bytes, *headers: str) -> bytes:
    return head(f"Content-Length: {len(content)}", *headers) + content


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


TEXT = b"a line of text\n" * 5000
ENCODED = {
    "plain": (TEXT,),
    "gzip": (gzip.compress(TEXT), "Content-Encoding: gzip"),
    "two gzip members": (gzip.compress(TEXT[:999]) + gzip.compress(TEXT[999:]), "Content-Encoding: GZIP"),
    "gzip with padding": (gzip.compress(TEXT) + b"\0\0", "Content-Encoding: x-gzip"),
    "zlib": (zlib.compress(TEXT), "Content-Encoding: deflate"),
    "raw deflate": (raw_deflate(TEXT), "Content-Encoding: deflate"),
}


@pytest.mark.parametrize(("content", "header"), [(c[0], c[1:]) for c in ENCODED.values()], ids=ENCODED)
def test_body_is_unpacked(answering: Callable[..., str], content: bytes, header: tuple[str, ...]) -> None:
    assert body(answering(whole(content, *header))) == TEXT


def test_chunks_and_bodies_without_a_length_arrive(answering: Callable[..., str]) -> None:
    chunked = head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"

    assert body(answering(chunked)) == b"hello world"
    assert body(answering(head("Connection: close") + b"hello")) == b"hello"
    assert body(answering(whole(b""))) == b""
    assert len(body(answering(whole(b"x" * LIMIT)))) == LIMIT


@pytest.mark.parametrize("status", ["102 Processing", "103 Early Hints"])
def test_informational_answers_are_skipped(answering: Callable[..., str], status: str) -> None:
    hint = f"HTTP/1.1 {status}\r\nLink: </style.css>; rel=preload\r\n\r\n".encode()

    assert body(answering(b"HTTP/1.1 100 Continue\r\n\r\n" + hint + hint + whole(TEXT))) == TEXT


def test_connections_are_reused(pleo: Sandbox) -> None:
    request = requests.Request("GET", f"{pleo.url}/v3/export-jobs", auth=(pleo.api_key, "")).prepare()
    with contextlib.closing(Sender()) as sender:
        answers = [sender.send(request, 10) for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3
    assert pleo.connections.accepted == 1


@pytest.mark.parametrize(
    "start",
    [
        b"H",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 103 Early Hints\r\nX: ",
        head("Content-Length: 100000"),
        head("Transfer-Encoding: chunked") + b"9999\r\n",
    ],
    ids=["status line", "headers", "informational", "body", "chunk"],
)
def test_dripping_answer_ends_at_the_deadline(answering: Callable[..., str], start: bytes) -> None:
    # Each byte arrives well within the time for the whole answer.
    url = answering(start, forever=b"x", pause=DRIP_SECONDS)

    with pytest.raises(TransientFailure, match=r"no answer within 0\.5 s"):
        body(url, timeout=5 * DRIP_SECONDS)


def test_dripping_proxy_ends_at_the_deadline(answering: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", answering(b"HTTP/1.1 200 Connection established\r\nX: ", forever=b"x", pause=0.1))
    monkeypatch.setenv("no_proxy", "")

    with pytest.raises(TransientFailure, match=r"no answer within 0\.5 s"):
        body("https://pleo.invalid/", timeout=0.5)


def test_silence_in_the_middle_lasts_no_longer_than_the_remaining_time(answering: Callable[..., str]) -> None:
    url = answering(head("Content-Length: 100"), forever=b"x", pause=3.6)
    began = time.monotonic()

    with pytest.raises(TransientFailure, match="no answer within 4 s"):
        body(url, timeout=4)

    # A timeout for each piece would see the next one, at 7.2 s.
    assert time.monotonic() - began < 7.1


@pytest.mark.parametrize("header", ["Connection: close", "Content-Length: 1099511627776"])
def test_endless_body_is_cut_off(answering: Callable[..., str], header: str) -> None:
    with pytest.raises(AnswerTooLarge, match="more than 1,048,576 bytes"):
        body(answering(head(header), forever=b"x" * 65536))


@pytest.mark.parametrize("members", [1, 20])
def test_zip_bomb_is_cut_off_while_it_is_unpacked(answering: Callable[..., str], members: int) -> None:
    bomb = gzip.compress(bytes(300 * LIMIT // members)) * members
    url = answering(whole(bomb, "Content-Encoding: gzip"))
    tracemalloc.start()

    with pytest.raises(AnswerTooLarge):
        body(url)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * LIMIT


def test_memory_is_reserved_for_what_arrives_and_a_refusal_ends_the_reading() -> None:
    reserved: list[int] = []

    def refuse(size: int) -> None:
        reserved.append(size)
        raise BodyTooLarge(1)

    packed = urllib3.HTTPResponse(
        io.BytesIO(gzip.compress(TEXT)), headers={"Content-Encoding": "gzip"}, preload_content=False
    )
    with pytest.raises(BodyTooLarge):
        read_body(packed, LIMIT, refuse)

    assert reserved == [len(TEXT)]


def test_all_answers_share_a_limit_and_give_their_memory_back(
    answering: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_pleo_export.api.sender.MAX_BYTES_TOGETHER", 2 * len(TEXT))
    request = requests.Request("GET", answering(whole(TEXT, "Connection: close"))).prepare()
    with contextlib.closing(Sender()) as sender:
        kept = [sender.send(request, 10) for _ in range(2)]
        with pytest.raises(AnswerTooLarge, match="more than 150,000 bytes"):
            sender.send(request, 10)
        kept.pop()
        kept.append(sender.send(request, 10))

    assert [answer.body for answer in kept] == [TEXT] * 2


class CollectingSize(int):
    """A size whose addition collects garbage, as an allocation there may."""

    def __add__(self, other: int) -> int:
        gc.collect()
        return int(self) + other

    __radd__ = __add__


def test_garbage_collection_during_a_reservation_does_not_deadlock() -> None:
    budget = MemoryBudget(10)
    lease = budget.lease()
    budget.reserve(lease, 4)
    # Only the collector finds a cycle.
    cycle: list[object] = [lease]
    cycle.append(cycle)
    del lease, cycle
    following = budget.lease()
    thread = threading.Thread(target=budget.reserve, args=(following, CollectingSize(6)), daemon=True)

    thread.start()
    thread.join(10)

    assert not thread.is_alive()
    assert following.size == 6


BROKEN = {
    "too short": head("Content-Length: 10", "Connection: close") + b"short",
    "a chunk of negative size": head("Transfer-Encoding: chunked") + b"-5\r\nhello\r\n0\r\n\r\n",
    "a chunk without a size": head("Transfer-Encoding: chunked") + b"zz\r\nhello\r\n",
    "chunks without an end": head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n",
    "not gzip": whole(b"hello", "Content-Encoding: gzip"),
    "two lengths": head("Content-Length: 5", "Content-Length: 7") + b"hello",
}


@pytest.mark.parametrize("damage", BROKEN)
def test_damaged_answer_is_reported(answering: Callable[..., str], damage: str) -> None:
    part = "whose head is damaged" if damage == "two lengths" else "a body that breaks off or is damaged"
    with pytest.raises(TransientFailure, match=part):
        body(answering(BROKEN[damage]))


@pytest.mark.parametrize(("method", "connections"), [("GET", 2), ("PUT", 1)])
def test_stale_connection_is_replaced_for_safe_methods(method: str, connections: int) -> None:
    counted: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.closing(Sender()) as sender:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"

        def serve() -> None:
            for answers in ((whole(b"hello"), b""), (whole(b"hello"),))[:connections]:
                connection, _ = server.accept()
                with connection:
                    for answer in answers:
                        connection.recv(65536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        sender.send(requests.Request("GET", url).prepare(), 10)
        request = requests.Request(method, url).prepare()
        if method == "GET":
            assert sender.send(request, 10, before_send=lambda: counted.append(1)).body == b"hello"
        else:
            with pytest.raises(TransientFailure, match="connection broken") as failed:
                sender.send(request, 10, before_send=lambda: counted.append(1))
            assert not failed.value.no_effect
        thread.join(10)

    assert len(counted) == connections
