"""A web server of the tests' own, which keeps the request lines that it gets."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PDF = b"%PDF-1.7\n"
Answer = tuple[int, dict[str, str], bytes]


class Web(ThreadingHTTPServer):
    """Answers each GET as a function of its target says."""

    def __init__(self, answer: Callable[[str], Answer] = lambda _: (200, {}, PDF)) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.lines: list[str] = []
        self.hosts: list[str] = []
        self.connects: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no error here."""


class _Handler(BaseHTTPRequestHandler):
    server: Web
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.lines.append(self.requestline)
        self.server.hosts.append(self.headers["Host"])
        status, headers, body = self.server.answer(self.path)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.server.connects.append(self.path)
        self.send_error(502)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextlib.contextmanager
def serving(answer: Callable[[str], Answer] | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Run a server on loopback."""
    with Web(answer) if answer else Web() as web:
        if tls:
            web.socket = tls.wrap_socket(web.socket, server_side=True)
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield web
        finally:
            web.shutdown()
            thread.join()
