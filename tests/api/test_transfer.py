"""Answers that drip, bombs and bodies without end, from a real socket."""

from __future__ import annotations

import contextlib
import gzip
import io
import socket
import threading
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
import requests
import urllib3
from singer_sdk.streams.rest import HTTPRequest

from tap_pleo_export.api.body import BodyBroken, BodyTooLarge, DeadlineAdapter, DeadlineExceeded, read_body
from tap_pleo_export.api.errors import TransientFailure
from tap_pleo_export.api.sender import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sandbox import Sandbox

LIMIT = 1024 * 1024
DRIP_SECONDS = 0.1


class Answering:
    """A server that answers each connection with the same pieces; between two of them it waits for the client."""

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


def body(url: str, timeout: float = 10, limit: int = LIMIT) -> bytes:
    """Fetch an address the way the connector does."""
    request = requests.Request("GET", url).prepare()
    with contextlib.closing(DeadlineAdapter()) as adapter:
        return read_body(adapter.send(request, stream=True, timeout=timeout).raw, limit)


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
def test_a_body_arrives_unpacked(answering: Callable[..., str], content: bytes, header: tuple[str, ...]) -> None:
    assert body(answering(whole(content, *header))) == TEXT


def test_chunks_arrive_and_so_does_a_body_of_no_stated_length(answering: Callable[..., str]) -> None:
    chunked = head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"

    assert body(answering(chunked)) == b"hello world"
    assert body(answering(head("Connection: close") + b"hello")) == b"hello"
    assert body(answering(whole(b""))) == b""


@pytest.mark.parametrize("status", ["102 Processing", "103 Early Hints"])
def test_informational_answers_are_not_the_answer(answering: Callable[..., str], status: str) -> None:
    hint = f"HTTP/1.1 {status}\r\nLink: </style.css>; rel=preload\r\n\r\n".encode()

    assert body(answering(b"HTTP/1.1 100 Continue\r\n\r\n" + hint + hint + whole(TEXT))) == TEXT


def test_a_connection_serves_one_request_after_the_other(pleo: Sandbox) -> None:
    with contextlib.closing(DeadlineAdapter()) as adapter:
        for _ in range(3):
            request = requests.Request("GET", f"{pleo.url}/v3/export-jobs", auth=(pleo.api_key, "")).prepare()
            assert read_body(adapter.send(request, stream=True, timeout=10).raw, LIMIT).startswith(b'{"data"')

    assert pleo.connections.accepted == 1


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", head("Content-Length: 100000"), head("Transfer-Encoding: chunked") + b"9999\r\n"],
    ids=["status line", "headers", "body", "chunk"],
)
def test_a_drip_ends_at_the_deadline_wherever_it_begins(answering: Callable[..., str], start: bytes) -> None:
    # Each byte comes well within the time that the whole answer has.
    url = answering(start or b"H", forever=b"x", pause=DRIP_SECONDS)

    with pytest.raises((DeadlineExceeded, requests.exceptions.Timeout)):
        body(url, timeout=5 * DRIP_SECONDS)


def test_a_silence_in_the_middle_is_no_longer_than_what_is_left(answering: Callable[..., str]) -> None:
    url = answering(head("Content-Length: 100"), forever=b"x", pause=3.6)
    began = time.monotonic()

    with pytest.raises(DeadlineExceeded):
        body(url, timeout=4)

    # A timeout for each piece would see the next one, at 7.2 s.
    assert time.monotonic() - began < 7.1


def test_a_limit_is_held_by_what_is_sent(answering: Callable[..., str]) -> None:
    with pytest.raises(BodyTooLarge, match="more than 1,048,576 bytes"):
        body(answering(head("Connection: close"), forever=b"x" * 65536))
    with pytest.raises(BodyTooLarge):
        body(answering(head("Content-Length: 1099511627776"), forever=b"x" * 65536))
    assert len(body(answering(whole(b"x" * LIMIT)))) == LIMIT


@pytest.mark.parametrize("members", [1, 20])
def test_a_bomb_is_cut_off_while_it_is_unpacked(answering: Callable[..., str], members: int) -> None:
    bomb = gzip.compress(bytes(300 * LIMIT // members)) * members
    url = answering(whole(bomb, "Content-Encoding: gzip"))
    tracemalloc.start()

    with pytest.raises(BodyTooLarge):
        body(url)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * LIMIT


def test_what_is_claimed_is_what_arrives_and_a_refused_claim_ends_the_reading(answering: Callable[..., str]) -> None:
    claimed: list[int] = []

    def refuse(size: int) -> None:
        claimed.append(size)
        raise BodyTooLarge(1)

    url = answering(whole(gzip.compress(TEXT), "Content-Encoding: gzip"))
    with contextlib.closing(DeadlineAdapter()) as adapter:
        response = adapter.send(requests.Request("GET", url).prepare(), stream=True, timeout=10)
        with pytest.raises(BodyTooLarge):
            read_body(response.raw, LIMIT, refuse)

    assert claimed == [len(TEXT)]


BROKEN = {
    "a length that is not reached": head("Content-Length: 10", "Connection: close") + b"short",
    "a chunk of negative size": head("Transfer-Encoding: chunked") + b"-5\r\nhello\r\n0\r\n\r\n",
    "a chunk of no size": head("Transfer-Encoding: chunked") + b"zz\r\nhello\r\n",
    "chunks without an end": head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n",
    "gzip that is none": whole(b"hello", "Content-Encoding: gzip"),
    "half of a gzip": whole(gzip.compress(TEXT)[:-20], "Content-Encoding: gzip"),
    "an encoding nobody asked for": whole(b"hello", "Content-Encoding: br"),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_body_that_is_none_is_named(answering: Callable[..., str], answer: bytes) -> None:
    with pytest.raises(BodyBroken):
        body(answering(answer))


def test_an_answer_without_a_timeout_is_waited_for() -> None:
    response = urllib3.HTTPResponse(io.BytesIO(b"hello"), preload_content=False)

    assert read_body(response, LIMIT) == b"hello"


def test_two_lengths_are_a_damaged_head_and_no_fault_of_a_proxy(answering: Callable[..., str]) -> None:
    url = answering(head("Content-Length: 5", "Content-Length: 7") + b"hello")
    with contextlib.closing(Transport()) as transport, pytest.raises(TransientFailure, match="whose head is damaged"):
        transport.exchange(HTTPRequest(url), lambda request: request, timeout=10)
