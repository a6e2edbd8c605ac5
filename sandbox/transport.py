"""HTTP/1.1 with keep-alive, and responses that break off."""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass
class Answer:
    """A response and how it is sent."""

    response: Response  # Status, headers and the whole body
    # Where the connection ends: 0.0 before the status line, 0.5 in the middle of the body, 1.0 after it.
    cut: float | None = None
    reset: bool = False  # Whether the connection is then reset instead of closed
    drip: float = 0  # Seconds between two bytes of the body
    drip_head: float = 0  # Seconds between two bytes of the status line and the headers


class Connections:
    """The open connections and the threads that serve them."""

    def __init__(self) -> None:
        self.accepted = 0  # How many connections have been accepted
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()

    def add(self, connection: socket.socket) -> None:
        """Record that the current thread serves a connection."""
        with self._lock:
            self.accepted += 1
            self._open[connection] = threading.current_thread()

    def remove(self, connection: socket.socket) -> None:
        """Record the end of a connection."""
        with self._lock:
            self._open.pop(connection, None)

    def close(self, timeout: float = 5) -> None:
        """End every connection, and wait for the threads that serve them."""
        with self._lock:
            waiting = list(self._open.items())
        for connection, _ in waiting:
            with suppress(OSError):  # already closed by the client or a reset
                connection.shutdown(socket.SHUT_RDWR)
        for _, thread in waiting:
            thread.join(timeout)


class Handler(WSGIRequestHandler):
    """Serve one connection, and keep it open after each response, unlike werkzeug's handler."""

    protocol_version = "HTTP/1.1"
    # Otherwise the body waits for the acknowledgement of the headers.
    disable_nagle_algorithm = True
    _head_pace = 0.0
    _headers_buffer: list[bytes]

    def handle(self) -> None:
        """Serve requests until either side ends the connection."""
        self.pleo = self.server.sandbox  # type: ignore[attr-defined] # set by Sandbox.start
        self.pleo.connections.add(self.connection)
        try:
            super().handle()
        finally:
            self.pleo.connections.remove(self.connection)

    def run_wsgi(self) -> None:
        """Answer the request that has just been read."""
        environ = self.make_environ()
        try:
            self._send(self.pleo.serve(environ))
        except ConnectionError:
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        response = answer.response
        body = response.get_data()
        if answer.cut != 0:
            self.send_response(response.status_code)
            for name, value in response.headers:
                if name.lower() != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(max(len(body), 2) if answer.cut else len(body)))
            self._head_pace = answer.drip_head
            self.end_headers()
            if answer.drip:
                self._drip(body, answer.drip)
            elif self.command != "HEAD":
                self.wfile.write(body if answer.cut is None else body[: int(len(body) * answer.cut)])
        if answer.reset:
            self._reset()
        elif answer.cut is not None:
            self.close_connection = True

    def flush_headers(self) -> None:
        """Send status line and headers, one byte at a time if a fault asks for it."""
        if not self._head_pace:
            super().flush_headers()
            return
        head, self._headers_buffer = b"".join(self._headers_buffer), []
        self._drip(head, self._head_pace)

    def _drip(self, body: bytes, seconds: float) -> None:
        for number in range(len(body)):
            self.wfile.write(body[number : number + 1])
            if self.pleo.stopping.wait(seconds):
                return

    def _reset(self) -> None:
        """Reset the connection: close it without lingering, before socketserver shuts it down."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        os.close(self.connection.detach())

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ANN401 - werkzeug's signature
        """Stay silent: requests are recorded, not logged."""
