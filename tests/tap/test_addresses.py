"""An address that is not Pleo's is said to be one, and the connection test says so in seconds."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.tap.conftest import RunTap

SECONDS = 20


class WebSite(http.server.BaseHTTPRequestHandler):
    """Answers with a page for people."""

    status = 200

    def do_GET(self) -> None:
        page = b"<html>Welcome</html>"
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def website(status: int) -> Iterator[int]:
    """Run a web site on loopback and yield its port."""
    handler = type("Site", (WebSite,), {"status": status})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def nobody() -> Iterator[int]:
    """Yield a port on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


ADDRESSES: dict[str, tuple[Callable[[], AbstractContextManager[int]], str]] = {
    "a page for people": (lambda: website(200), "http://127.0.0.1:{}"),
    "no such page": (lambda: website(404), "http://127.0.0.1:{}"),
    "a redirect": (lambda: website(301), "http://127.0.0.1:{}"),
    "another protocol": (lambda: website(200), "https://127.0.0.1:{}"),
    "a wrong port": (nobody, "http://127.0.0.1:{}"),
    "an unknown host": (nobody, "https://external.pleo.invalid:{}"),
    "a doubled path": (nobody, "http://127.0.0.1:{}/v3"),
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_wrong_address_is_named_in_seconds(run_tap: RunTap, address: str) -> None:
    server, pattern = ADDRESSES[address]
    with server() as port:
        began = time.monotonic()
        run = run_tap("--test", api_url=pattern.format(port), max_retries=8)
        took = time.monotonic() - began

    assert run.returncode == 1
    assert took < SECONDS
    assert run.stdout == b""
    (line,) = run.errors
    assert "api_url" in line
    assert "Traceback" not in run.stderr


def test_a_run_says_the_same(run_tap: RunTap) -> None:
    with website(200) as port:
        run = run_tap(api_url=f"http://127.0.0.1:{port}", max_retries=0)

    assert run.returncode == 1
    assert "text/html): check api_url" in run.errors[0]
