"""A proxy in front of Tryton that loses or spoils answers."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
import urllib3

from tap_pleo_export.ledger.tryton_rpc import TrytonRpc

Handler = BaseHTTPRequestHandler
TIMEOUT = 1.0


def _send(handler: Handler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _lose(handler: Handler) -> None:
    handler.close_connection = True


def _drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    stopped = threading.Event()
    for _ in range(1_000_000):
        handler.wfile.write(b" ")
        stopped.wait(TIMEOUT / 10)  # the client gives up after a second


FAULTS: dict[str, Callable[[Handler], None]] = {
    "answers lost": _lose,
    "slow": _drip,
    "no JSON": lambda handler: _send(handler, 200, b"<html>"),
    "other JSON": lambda handler: _send(handler, 200, b"[1]"),
    "error page": lambda handler: _send(handler, 500, b"<html>"),
}
"""What happens to the answer of each request that writes; the request is executed."""


@contextmanager
def faulty(rpc: TrytonRpc, name: str) -> Iterator[None]:
    """Let a client talk to Tryton through a proxy with a fault."""
    url, timeout = rpc.url, rpc._timeout

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {key: value for key, value in self.headers.items() if key.lower() != "host"}
            answer = requests.post(url + self.path, data=body, headers=headers, timeout=60)
            if b"search_read" in body or b".read" in body or b"login" in body:
                _send(self, answer.status_code, answer.content)
            else:
                with suppress(OSError):
                    FAULTS[name](self)

        def log_message(self, *_: object) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Proxy)) as port:
        rpc.url, rpc._timeout = f"http://127.0.0.1:{port}", urllib3.Timeout(total=TIMEOUT if name == "slow" else 60)
        yield
        rpc.url, rpc._timeout = url, timeout


@contextmanager
def answering(answers: Sequence[tuple[int, str]], sent: list[Any] | None = None) -> Iterator[int]:
    """Serve answers in order, each a status and a body, and yield the port; requests are appended to `sent`."""
    left = iter(answers)

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if sent is not None:
                sent.append(json.loads(body))
            status, text = next(left)
            _send(self, status, text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Server)) as port:
        yield port


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    with server:
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
