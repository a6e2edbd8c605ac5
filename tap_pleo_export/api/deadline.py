"""Connections on which a whole answer, head and body, has to arrive before one deadline.

The timeout of `requests` applies to each read: a server that sends a byte now and then could block a thread forever.
"""

from __future__ import annotations

import functools
import io
import re
import socket
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

if TYPE_CHECKING:
    import requests
    import urllib3

    Resolve = Callable[[str, int], Sequence[str]]

# Sockets, buffers, pools and arguments as the libraries type them.
Untyped = Any

RAW_TARGET = "X-Raw-Target"
"""A header that is never sent: the request line gets its value, where `urllib3` would normalise path and query."""
_INFORMATIONAL = re.compile(rb"HTTP/1\.\d 1\d\d\b")


class StaleConnectionError(ConnectionResetError):
    """A kept-alive connection that the server had closed before the request arrived."""


class DeadlineAdapter(HTTPAdapter):
    """An adapter that treats a `urllib3.Timeout(total=...)` as the deadline of the whole answer.

    Args:
        connections: Open connections kept for each host.
        resolve: Returns the addresses that may be connected to for a host and port, best first; it raises OSError for
            an unknown name, and any other exception to refuse the host. None: every address of the name. Not called
            for hosts behind a proxy of the environment: the proxy resolves those.
    """

    def __init__(self, connections: int, resolve: Resolve | None = None) -> None:
        self._resolve = resolve
        super().__init__(pool_maxsize=connections)

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,  # noqa: FBT001 - the signature of `requests`
        proxies: Untyped = None,
        cert: Untyped = None,
    ) -> Untyped:
        """Return the pool of a request, set to make connections of this module."""
        pool: Untyped = super().get_connection_with_tls_context(request, verify, proxies, cert)
        # Pools of SOCKS proxies keep their own connections, whose timeout applies to each read.
        if pool.ConnectionCls in {HTTPConnection, HTTPSConnection}:
            connection = _SecureConnection if pool.scheme == "https" else _Connection
            resolve = None if select_proxy(request.url or "", proxies) else self._resolve
            pool.ConnectionCls = functools.partial(connection, resolve=resolve)
        elif not isinstance(pool.ConnectionCls, functools.partial):
            request.headers.pop(RAW_TARGET, None)
        return pool


class _Connection(HTTPConnection):
    server_hostname: str | None = None

    def __init__(self, *args: Untyped, resolve: Resolve | None, **options: Untyped) -> None:
        self._resolve = resolve
        self._served = False
        super().__init__(*args, **options)

    # Wrapped wherever the base classes assign it, so that the answer of a proxy to CONNECT has a deadline, too.
    @property
    def sock(self) -> Untyped:
        return self._socket

    @sock.setter
    def sock(self, connected: socket.socket | None) -> None:
        self._socket = connected and _DeadlineSocket(connected)
        self._served = False

    def connect(self) -> None:
        if self._resolve is None:
            return super().connect()
        name = self.server_hostname = self.host
        try:
            addresses = self._resolve(name, self.port)
        except (OSError, UnicodeError) as error:
            raise NameResolutionError(name, self, error) from None  # type: ignore[arg-type] # only formatted
        for number, address in enumerate(addresses, 1):
            self.host = address
            try:
                return super().connect()
            except (NewConnectionError, ConnectTimeoutError):
                if number == len(addresses):
                    raise
            finally:
                self.host = name
        return None

    def request(self, method: str, url: str, body: Untyped = None, headers: Untyped = None, **options: Untyped) -> None:
        if headers and RAW_TARGET in headers:
            headers = dict(headers)
            target = headers.pop(RAW_TARGET)
            # Proxies without a tunnel get a whole URL.
            origin = "" if url.startswith("/") else "/".join(url.split("/", 3)[:3])
            url = origin + target
        super().request(method, url, body, headers, **options)

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override] # as in the base class
        # A failure closes the connection, which resets this.
        served = self._served
        try:
            response = super().getresponse()
        except (ConnectionResetError, BrokenPipeError) as error:
            if served:
                raise StaleConnectionError from error
            raise
        self._served = True
        return response


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _DeadlineSocket:
    """A socket whose answers have to arrive within the timeout that it has when they begin."""

    def __init__(self, connected: socket.socket) -> None:
        self._connected = connected

    def __getattr__(self, name: str) -> Untyped:
        return getattr(self._connected, name)

    def makefile(self, *_: object) -> io.BufferedReader:
        return _Answer(_DeadlineReader(self._connected))


class _Answer(io.BufferedReader):
    """An HTTP answer without the informational ones before it (1xx); the standard library skips 100 only."""

    _begun = False

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not self._begun:
            self._begun = True
            while _INFORMATIONAL.match(line):
                while super().readline(size).strip():
                    pass
                line = super().readline(size)
        return line


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until all reads together have used up the timeout."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__()
        self._socket = connected
        # The file keeps the socket open after the connection has closed it.
        self._file: Untyped = connected.makefile("rb", buffering=0)
        self._timeout = connected.gettimeout()
        self._ends = float("inf") if self._timeout is None else time.monotonic() + self._timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Untyped) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        # Setting it is a system call: a timeout that is a tenth too long will do.
        if self._timeout is not None and left < 0.9 * self._timeout:
            self._socket.settimeout(left)
            self._timeout = left
        taken: int | None = self._file.readinto(buffer)
        return taken

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
