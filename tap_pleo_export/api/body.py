"""HTTP answers within a deadline and a size, both held while the bytes arrive.

A timeout of `requests` is one for each piece of an answer: a server that sends a byte now and then holds a reader for
ever, and a small body may unpack to a huge one.
"""

from __future__ import annotations

import functools
import http.client
import io
import threading
import time
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import urllib3
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    import requests

# Taken from the socket, and unpacked, at a time.
PIECE_BYTES = 1024 * 1024
UNPACKED_BYTES = 1024 * 1024
# Window bits of `zlib`: a gzip header, a zlib header, none.
GZIP, ZLIB, RAW = 31, 15, -15
GZIP_MAGIC = b"\x1f\x8b"


class TransferFailed(Exception):
    """Base: a body did not arrive as it should. ``str()`` names the cause, without any content."""


class DeadlineExceeded(TransferFailed):
    """The request's time was up before the last byte."""


class BodyTooLarge(TransferFailed):
    """The body is beyond its limit, as sent or once unpacked."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an answer of more than {limit:,} bytes")


class BodyBroken(TransferFailed):
    """The body ended early, or its encoding is none."""


class DeadlineAdapter(HTTPAdapter):
    """An adapter whose timeout is one for the whole request, from connecting to the last byte of the body."""

    def send(  # noqa: PLR0913, PLR0917 - the signature of `requests`
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - as above
        timeout: Any = None,  # noqa: ANN401 - as above
        verify: bool | str = True,  # noqa: FBT001, FBT002 - as above
        cert: Any = None,  # noqa: ANN401 - as above
        proxies: Any = None,  # noqa: ANN401 - as above
    ) -> requests.Response:
        """Send a request; a timeout that is a number counts for the whole of it."""
        if isinstance(timeout, (int, float)):
            timeout = urllib3.Timeout(total=timeout)
        return super().send(request, stream, timeout, verify, cert, proxies)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        """Return a pool whose connections keep the deadline."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = _with_deadline(pool.ConnectionCls)
        return pool


def read_body(response: urllib3.BaseHTTPResponse, limit: int, claim: Callable[[int], None] = lambda _: None) -> bytes:
    """Return the unpacked body of an answer that has not been read yet; after a failure its connection is closed.

    Args:
        response: The answer, ``requests.Response.raw`` for one.
        limit: Bytes, of the body as sent and once unpacked.
        claim: Told of each piece's size before it is kept; what it raises ends the reading.

    Raises:
        DeadlineExceeded: See :class:`DeadlineAdapter`.
        BodyTooLarge: It is cut off there.
        BodyBroken: It ended early, or is not encoded as it says.
    """
    try:
        encoding, length = response.headers.get("Content-Encoding", ""), response.length_remaining
        if not encoding and length is not None and 0 < length <= limit:
            # It cannot become more than it says.
            claim(length)
            return response.read(decode_content=False)
        parts = []
        sent = _within(limit, iter(lambda: response.read(PIECE_BYTES, decode_content=False), b""))
        for part in _within(limit, _unpacked(sent, encoding)):
            claim(len(part))
            parts.append(part)
    except BaseException as error:
        response.close()
        if isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
            raise DeadlineExceeded("no whole answer in time") from None
        # A ValueError: a chunk of negative size, say.
        if isinstance(error, (urllib3.exceptions.HTTPError, OSError, ValueError, OverflowError, zlib.error)):
            raise BodyBroken(f"a body that breaks off or is damaged ({type(error).__name__})") from None
        raise
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _within(limit: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise BodyTooLarge(limit)
        yield piece


def _unpacked(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        yield from pieces
    elif encoding in {"gzip", "x-gzip", "deflate"}:
        yield from _inflated(pieces, gzip=encoding != "deflate")
    else:
        raise BodyBroken("a content encoding that was not asked for")


def _inflated(pieces: Iterator[bytes], *, gzip: bool) -> Iterator[bytes]:
    inflate = None
    for piece in pieces:
        data = piece
        if inflate is None:
            # "deflate" should have a zlib header (RFC 9110 section 8.4.1.2), and often has none.
            inflate = zlib.decompressobj(GZIP if gzip else ZLIB if data[0] & 0x0F == zlib.DEFLATED else RAW)
        while data:
            if inflate.eof:
                if not (gzip and data.startswith(GZIP_MAGIC)):
                    break  # padding
                inflate = zlib.decompressobj(GZIP)
            yield inflate.decompress(data, UNPACKED_BYTES)
            data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    while inflate is not None and not inflate.eof:
        rest = inflate.decompress(b"", UNPACKED_BYTES)
        if not rest:
            raise BodyBroken("a compressed body that breaks off")
        yield rest


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until its timeout, as it was at the start, is used up by all reads together."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._socket = connection
        self._raw: Any = connection.makefile("rb", buffering=0)
        timeout = connection.gettimeout()
        self._ends = float("inf") if timeout is None else time.monotonic() + timeout
        self._set = timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any writable buffer
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        # Each setting is a system call: one that is a tenth too long will do.
        if self._set is not None and left < 0.9 * self._set:
            self._socket.settimeout(left)
            self._set = left
        taken: int | None = self._raw.readinto(buffer)
        return taken

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _DeadlineSocket:
    """As much of a socket as an HTTP response wants."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._connection))


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:  # noqa: ANN401 - of the base class
        # urllib3 gives the socket what the connecting has left of the total as its timeout.
        super().__init__(_DeadlineSocket(sock), *args, **options)  # type: ignore[arg-type] # it makes a file of it

    def _read_status(self) -> Any:  # noqa: ANN401 - as above
        """Skip informational answers: the standard library skips 100 only."""
        read: Any = super()._read_status  # type: ignore[misc] # its only place to do so
        while True:
            status_line = read()
            if not HTTPStatus.CONTINUE < status_line[1] < HTTPStatus.OK:
                return status_line
            http.client.parse_headers(self.fp)


class _DeadlineConnection:
    """Mixed into the connections of urllib3: answers keep the deadline, and each knows whether it is a reused one."""

    response_class = _DeadlineResponse
    sock: Any
    is_new = True

    def connect(self) -> None:
        self.is_new = True
        super().connect()  # type: ignore[misc] # of the class that it is mixed into

    def request(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as above
        _sent.on_reused_connection = self.sock is not None and not self.is_new
        super().request(*args, **options)  # type: ignore[misc] # as above
        # After it, for it may have connected.
        self.is_new = False


class _Sent(threading.local):
    on_reused_connection = False


_sent = _Sent()


def sent_on_reused_connection() -> bool:
    """Return whether this thread's last request went out on a connection that had served another before."""
    return _sent.on_reused_connection


@functools.cache
def _with_deadline(connection: type[Any]) -> type[Any]:
    if issubclass(connection, _DeadlineConnection):
        return connection
    return type(connection.__name__, (_DeadlineConnection, connection), {})
