"""The only way out of a host's network: ports on its loopback that lead to services of this machine."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

# An address of a service: the path of a Unix socket, or a port on loopback.
Target = Path | int
LOOPBACK = "127.0.0.1"
CHUNK = 65536


class Relay:
    """A port on loopback, in this network or in the one of another process, that leads to a target.

    Args:
        target: Where its connections lead.
        port: The port; 0 for a free one.
        network: A process id, whose network namespace gets the port; None: this one.
    """

    def __init__(self, target: Target, port: int = 0, network: int | None = None) -> None:
        self._target = target
        self._listener = _listen(port, network)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening; open connections end with their processes."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            try:
                outer = _connect(self._target)
            except OSError:
                inner.close()
                continue
            for source, sink in ((inner, outer), (outer, inner)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    # The other direction ends, too: its peer has vanished.
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def _connect(target: Target) -> socket.socket:
    if isinstance(target, int):
        return socket.create_connection((LOOPBACK, target))
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(target))
    except OSError:
        connection.close()
        raise
    return connection


def _listen(port: int, network: int | None) -> socket.socket:
    made: list[socket.socket] = []

    def listen() -> None:
        if network is not None:
            _enter(network)
        made.append(socket.create_server((LOOPBACK, port)))

    # A namespace is a property of a thread, and a socket keeps the one that it was made in.
    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    return made[0]


def _enter(process: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{process}/ns/net").open() as namespace:
        if libc.setns(namespace.fileno(), 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
