"""Fixtures for tests of the tap as a process."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from tests.conftest import Outputs, Run, finish

ITEMS = "/v3/export-items"
RunTap = Callable[..., Run]
StartTap = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def stop_at_page(pleo: Sandbox, run_tap: RunTap) -> RunTap:
    """Run the tap until Pleo fails on a page of export items."""

    def run(number: int, **options: Any) -> Run:
        fault = pleo.add_fault(Fault(path=ITEMS, nth=number, status=503))
        stopped = run_tap(**options)
        pleo.faults.remove(fault)
        assert stopped.returncode == 1
        return stopped

    return run


@pytest.fixture
def disturb(pleo: Sandbox, start_tap: StartTap, outputs: Outputs) -> RunTap:
    """Run the tap and send it signals at a request, before the request's answer."""

    def run(*signals: int, path: str, nth: int = 1, **settings: Any) -> Run:
        process: list[subprocess.Popen[bytes]] = []

        def send(_: Sandbox) -> None:
            for number in signals:
                process[0].send_signal(number)

        # Before other faults, which may delay the answer.
        pleo.faults.insert(0, Fault(path=path, nth=nth, kind="callback", callback=send))
        process.append(start_tap(**settings))
        return finish(process[0], outputs)

    return run


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return the bytes of an HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def http_server(answer: bytes, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answer each request to a port of loopback with these bytes, and yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(answer.replace(b"{authorization}", self.headers["Authorization"].encode()))

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
