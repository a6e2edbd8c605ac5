"""One way to send one HTTP request: deadline, size limit, proxies and certificates of the environment, named errors."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3

from tap_pleo_export.api.deadline import DeadlineAdapter, StaleConnectionError
from tap_pleo_export.api.errors import SAFE_METHODS, AnswerTooLarge, NetworkUnusable, TransientFailure
from tap_pleo_export.api.retry import parse_retry_after

if TYPE_CHECKING:
    from tap_pleo_export.api.deadline import Resolve

# One for each thread that sends at the same time: the largest max_concurrent_requests, and the main thread.
CONNECTIONS = 17
# A page of 1,000 large items has about 5 MB.
MAX_BYTES = 128 * 1024 * 1024
MAX_BYTES_TOGETHER = 2 * MAX_BYTES
# Read from the socket, and unpacked, at a time.
PIECE_BYTES = 1024 * 1024
UNREADABLE_CERTIFICATES = (
    "the certificate file that the environment names cannot be read",
    "Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE",
)


@dataclass(frozen=True, slots=True)
class RawResponse:
    """An answer of any status.

    Attributes:
        status: The HTTP status.
        headers: The headers; names in any case.
        body: The whole body, unpacked.
        lease: The memory reserved for the body; given back when no response refers to it any more.
    """

    status: int
    headers: requests.structures.CaseInsensitiveDict[str]
    body: bytes
    lease: Lease

    @property
    def retry_after(self) -> float | None:
        """The seconds that the server asks to wait, or None."""
        return parse_retry_after(self.headers.get("Retry-After"), self.headers.get("Date"), datetime.now(UTC))


class Sender:
    """Sends requests; safe to share between threads.

    Args:
        resolve: Which addresses may be connected to, see :class:`DeadlineAdapter`.
    """

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._adapter = DeadlineAdapter(CONNECTIONS, resolve)
        self._environments: dict[str, dict[str, Any]] = {}
        self._memory = MemoryBudget(MAX_BYTES_TOGETHER)

    def send(
        self,
        request: requests.PreparedRequest,
        timeout: float,
        *,
        max_bytes: int = MAX_BYTES,
        before_send: Callable[[], object] = lambda: None,
    ) -> RawResponse:
        """Send a request and return the answer with its whole body; raises like :meth:`open`.

        Args:
            request: A signed request.
            timeout: Seconds from connecting to the last byte of the answer.
            max_bytes: Limit for the unpacked body.
            before_send: Called each time before the request is sent.

        Raises:
            AnswerTooLarge: The answer exceeds ``max_bytes``, or all unread answers together ``MAX_BYTES_TOGETHER``.
        """
        response = self.open(request, timeout, before_send)
        lease = self._memory.lease()
        try:
            with body_errors(response, timeout):
                body = read_body(response.raw, max_bytes, partial(self._memory.reserve, lease))
        except BodyTooLarge as error:
            path = urlsplit(request.url or "").path
            raise AnswerTooLarge(f"{request.method} {path} brought {error}: it was cut off") from None
        return RawResponse(response.status_code, response.headers, body, lease)

    def open(
        self, request: requests.PreparedRequest, timeout: float, before_send: Callable[[], object] = lambda: None
    ) -> requests.Response:
        """Send a request and return the answer without its body; read it within :func:`body_errors`.

        A kept-alive connection that turns out to be closed is replaced at once for safe methods.

        Raises:
            TransientFailure: No complete answer arrived.
            NetworkUnusable: The environment's certificates or proxy make an answer impossible.
        """
        environment = self._environment(request.url or "")
        # Each kept connection may be stale.
        for attempt in range(CONNECTIONS + 1):
            before_send()
            try:
                # A session would add cookies, redirects and the credentials of a .netrc.
                total: Any = urllib3.Timeout(total=timeout)
                return self._adapter.send(request, timeout=total, **environment)
            except Exception as error:  # noqa: BLE001 - translated, or raised as it is
                if _is_stale(error) and request.method in SAFE_METHODS and attempt < CONNECTIONS:
                    continue
                raise _as_failure(error, timeout) from None
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def close(self) -> None:
        """Close all connections."""
        self._adapter.close()

    def _environment(self, url: str) -> dict[str, Any]:
        """Return the environment's proxies and certificates for an address, as arguments of an adapter."""
        origin = url[:end] if (end := url.find("/", len("https://"))) > 0 else url
        if origin not in self._environments:
            with requests.Session() as session:
                # The third argument leaves the body to be read here.
                found = session.merge_environment_settings(origin, {}, True, None, None)  # noqa: FBT003
            self._environments[origin] = dict(found)
        return self._environments[origin]


class MemoryBudget:
    """The bytes that all answers together may take."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        # Weak: a lease ends with its answer. A finaliser could not take the lock, which its own thread may have.
        self._leases: list[weakref.ref[Lease]] = []

    def lease(self) -> Lease:
        """Return a lease without any bytes yet."""
        lease = Lease()
        with self._lock:
            self._leases.append(weakref.ref(lease))
        return lease

    def reserve(self, lease: Lease, size: int) -> None:
        """Reserve more bytes for a lease; raises BodyTooLarge if all answers together would take too many."""
        with self._lock:
            self._leases = [ref for ref in self._leases if ref() is not None]
            if sum(other.size for ref in self._leases if (other := ref())) + size > self._limit:
                raise BodyTooLarge(self._limit)
            lease.size += size


class Lease:
    """The bytes reserved for one answer, as long as this object exists."""

    size = 0


class BodyTooLarge(Exception):
    """A body exceeds a limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an answer of more than {limit:,} bytes")


def read_body(response: urllib3.BaseHTTPResponse, limit: int, reserve: Callable[[int], None] = lambda _: None) -> bytes:
    """Return the unpacked body of an answer that has not been read yet.

    Args:
        response: The answer, such as ``requests.Response.raw``.
        limit: Maximum bytes of the unpacked body: a small one may unpack to a huge one.
        reserve: Called with the size of each piece before it is kept; an exception ends the reading.

    Raises:
        BodyTooLarge: The body exceeds the limit; the rest is not read.
    """
    length = response.length_remaining
    if length is not None and 0 < length <= limit and not response.headers.get("Content-Encoding"):
        reserve(length)
        return response.read(decode_content=False)
    parts, size = [], 0
    # `urllib3` unpacks no more than it is asked for.
    for part in iter(lambda: response.read(PIECE_BYTES, decode_content=True), b""):
        size += len(part)
        if size > limit:
            raise BodyTooLarge(limit)
        reserve(len(part))
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


@contextlib.contextmanager
def body_errors(response: requests.Response, timeout: float) -> Iterator[None]:
    """Raise failures to read a body as :class:`TransientFailure`; close the connection after any exception."""
    try:
        yield
    except BaseException as error:
        response.raw.close()
        if isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
            raise _late(timeout) from None
        # A ValueError: a chunk of negative size, for example.
        if isinstance(error, (urllib3.exceptions.HTTPError, OSError, ValueError, ArithmeticError)):
            raise TransientFailure(f"a body that breaks off or is damaged ({type(error).__name__})") from None
        if isinstance(error, MemoryError):
            raise TransientFailure("a body that does not fit into memory") from None
        raise


def pieces(response: requests.Response, timeout: float) -> Iterator[bytes]:
    """Yield the body of an answer as it was sent, piece by piece; raises like :func:`body_errors`."""
    with body_errors(response, timeout):
        yield from iter(lambda: response.raw.read(PIECE_BYTES // 4, decode_content=False), b"")


def _late(timeout: float, *, never_connected: bool = False) -> TransientFailure:
    return TransientFailure(
        f"no answer within {round(timeout, 1):g} s", no_effect=never_connected, misdirected=never_connected
    )


def _as_failure(error: Exception, timeout: float) -> Exception:
    """Return this package's error for one raised by `requests` or `urllib3`."""
    if isinstance(error, (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)):
        return _late(timeout, never_connected=isinstance(error, requests.exceptions.ConnectTimeout))
    if isinstance(error, (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError)):
        return _connection_failure(error)
    if isinstance(error, (requests.exceptions.InvalidHeader, OverflowError, MemoryError)):
        return TransientFailure("an answer whose head is damaged")
    if isinstance(error, requests.RequestException):
        return NetworkUnusable(
            f"the environment names a proxy that cannot be used ({type(error).__name__})",
            "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
        )
    return NetworkUnusable(*UNREADABLE_CERTIFICATES) if isinstance(error, OSError) else error


def _connection_failure(error: Exception) -> Exception:
    *_, reason = _causes(error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        # The rest of "Hostname mismatch, certificate is not valid for …" may be the host of a signed link.
        problem = reason.verify_message.partition(",")[0]
        return NetworkUnusable(
            f"the server's certificate cannot be verified ({problem})",
            "If a proxy here decrypts connections, let REQUESTS_CA_BUNDLE name a file with its authority",
        )
    if isinstance(reason, ssl.SSLError) and reason.library == "X509":
        return NetworkUnusable(*UNREADABLE_CERTIFICATES)
    # The operating system's text: it contains no addresses.
    words = isinstance(reason, OSError) and reason.strerror
    cause = words.lower() if words else f"connection broken ({type(reason).__name__})"
    retried = error.args[0] if error.args else None
    never_connected = isinstance(
        getattr(retried, "reason", None), (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProxyError)
    )
    # No such name or port, or something there that speaks another protocol.
    misdirected = never_connected or isinstance(reason, ssl.SSLError) or type(reason) is http.client.BadStatusLine
    return TransientFailure(cause, no_effect=never_connected, misdirected=misdirected)


def _is_stale(error: BaseException) -> bool:
    return any(isinstance(cause, StaleConnectionError) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors that it stems from; the last one is where it began."""
    following: BaseException | None = error
    while following is not None:
        error = following
        yield error
        inner = next((argument for argument in error.args if isinstance(argument, BaseException)), None)
        following = inner or error.__cause__ or error.__context__
