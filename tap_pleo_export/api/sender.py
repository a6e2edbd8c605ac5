"""One request on the wire: the environment's proxies and certificates, kept-alive connections, and failures named."""

from __future__ import annotations

import http.client
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from tap_pleo_export.api.body import (
    BodyTooLarge,
    DeadlineAdapter,
    DeadlineExceeded,
    TransferFailed,
    read_body,
    sent_on_reused_connection,
)
from tap_pleo_export.api.errors import CHECK_ADDRESS, AnswerTooLarge, NetworkUnusable, TransientFailure
from tap_pleo_export.api.request import SAFE_METHODS

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.streams.rest import HTTPRequest

    Sign = Callable[[requests.PreparedRequest], requests.PreparedRequest]

# As many as threads send at once: the setting's largest number in the background, and one.
CONNECTIONS = 17
# Of one answer once unpacked, and of all that are not read yet: a page of 1,000 large items is about 5 MB.
MOST_BYTES = 128 * 1024 * 1024
MOST_BYTES_TOGETHER = 2 * MOST_BYTES
UNREADABLE_CERTIFICATES = (
    "the file of certificates that the environment names cannot be read",
    "Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE",
)


class Transport:
    """Sends requests; safe to share between threads."""

    def __init__(self) -> None:
        self._adapter = DeadlineAdapter(pool_maxsize=CONNECTIONS)
        self._templates: dict[str, _Template] = {}
        self._room = Room(MOST_BYTES_TOGETHER)

    def exchange(self, request: HTTPRequest, auth: Sign, timeout: float) -> Exchange:
        """Send a request once, and return the answer, whatever its status, with its whole body.

        A connection that served another request before, and turns out closed, is replaced at once.

        Args:
            request: Address, method, query, headers and body (JSON).
            auth: Signs it.
            timeout: Seconds from connecting to the last byte of the answer.

        Raises:
            TransientFailure: There was no whole answer.
            AnswerTooLarge: The answer is beyond what memory is lent to it.
            NetworkUnusable: There never will be an answer.
        """
        origin = _origin(request.url)
        template = self._templates.get(origin) or self._templates.setdefault(origin, _Template(origin))
        for _ in range(CONNECTIONS):
            try:
                return self._exchange(auth(template.prepared(request)), template.environment, timeout)
            except _ConnectionWasClosed as closed:
                if request.method not in SAFE_METHODS:
                    raise closed.failure from None
                failure = closed.failure
        raise failure

    def _exchange(self, signed: requests.PreparedRequest, environment: dict[str, Any], timeout: float) -> Exchange:
        share = Share(self._room)
        try:
            # A session would do as much again for cookies, redirects and hooks, of which there are none.
            response = self._adapter.send(signed, timeout=timeout, **environment)
            return Exchange(response, read_body(response.raw, MOST_BYTES, share.claim), share)
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, DeadlineExceeded) as error:
            never_made = isinstance(error, requests.exceptions.ConnectTimeout)
            hint = CHECK_ADDRESS if never_made else ""
            raise TransientFailure(f"no answer within {timeout:g} s", no_effect=never_made, hint=hint) from None
        except (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError) as error:
            raise _failure_of_connection(error) from None
        except BodyTooLarge as error:
            path = urlsplit(signed.url or "").path
            raise AnswerTooLarge(f"Pleo answered {signed.method} {path} with {error}: it was cut off") from None
        except (TransferFailed, requests.exceptions.InvalidHeader, OverflowError, MemoryError) as error:
            cause = str(error) if isinstance(error, TransferFailed) else "an answer whose head is damaged"
            raise TransientFailure(cause) from None
        except requests.RequestException as error:
            raise NetworkUnusable(
                f"the environment names a proxy that cannot be used ({type(error).__name__})",
                "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
            ) from None
        except OSError:
            raise NetworkUnusable(*UNREADABLE_CERTIFICATES) from None

    def close(self) -> None:
        """Close all connections."""
        self._adapter.close()


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer.

    Attributes:
        response: Its status and headers.
        body: Its whole body, unpacked.
        share: What the body takes of the memory lent to all answers, as long as this exists.
    """

    response: requests.Response
    body: bytes
    share: Share


class Room:
    """The bytes that all answers together may take."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self.lock = threading.Lock()


class Share:
    """The bytes that one answer takes; they are given back when nobody holds it any more."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0

    def claim(self, size: int) -> None:
        """Take more bytes.

        Raises:
            BodyTooLarge: All answers together would take too many.
        """
        with self._room.lock:
            if self._room.taken + size > self._room.limit:
                raise BodyTooLarge(self._room.limit)
            self._room.taken += size
        self._size += size

    def __del__(self) -> None:
        with self._room.lock:
            self._room.taken -= self._size


class _ConnectionWasClosed(Exception):
    """A kept-alive connection had been closed at the other end before the request came."""

    def __init__(self, failure: TransientFailure) -> None:
        self.failure = failure


class _Template:
    """What the requests to one origin have in common, prepared once: they differ in address, signature and body."""

    def __init__(self, origin: str) -> None:
        with requests.Session() as session:
            # What the body's reader can unpack.
            headers = {"Accept-Encoding": "gzip, deflate"}
            self._request = session.prepare_request(requests.Request("GET", origin, headers=headers))
            # The third argument: bodies are read here, not by `requests`.
            self.environment: dict[str, Any] = dict(
                session.merge_environment_settings(origin, {}, True, None, None)  # noqa: FBT003
            )

    def prepared(self, request: HTTPRequest) -> requests.PreparedRequest:
        query = request.encode_params()
        prepared = self._request.copy()
        prepared.method = request.method
        prepared.url = f"{request.url}?{query}" if query else request.url
        prepared.headers.update(request.headers)
        if request.data is not None:
            prepared.prepare_body(None, None, json=request.data)
        return prepared


def _origin(url: str) -> str:
    """Return an address up to its path."""
    end = url.find("/", len("https://"))
    return url if end < 0 else url[:end]


def _failure_of_connection(error: BaseException) -> Exception:
    reason = innermost(error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return NetworkUnusable(
            f"its certificate cannot be verified ({reason.verify_message})",
            "If a proxy here opens encrypted connections, let REQUESTS_CA_BUNDLE name a file with its authority",
        )
    if isinstance(reason, ssl.SSLError) and reason.library == "X509":
        return NetworkUnusable(*UNREADABLE_CERTIFICATES)
    # What the operating system said, without addresses.
    said = isinstance(reason, OSError) and reason.strerror
    cause = said.lower() if said else f"connection broken ({type(reason).__name__})"
    never_made = _never_made(error)
    # No name, no such port, or something there that speaks another protocol.
    elsewhere = never_made or isinstance(reason, ssl.SSLError) or type(reason) is http.client.BadStatusLine
    failure = TransientFailure(cause, no_effect=never_made, hint=CHECK_ADDRESS if elsewhere else "")
    closed = isinstance(reason, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError))
    return _ConnectionWasClosed(failure) if closed and sent_on_reused_connection() else failure


def _never_made(error: BaseException) -> bool:
    """Return whether no connection was made, so that nothing was sent."""
    retried = error.args[0] if error.args else None
    return isinstance(getattr(retried, "reason", None), urllib3.exceptions.NewConnectionError)


def innermost(error: BaseException) -> BaseException:
    """Return what a network error began with."""
    seen = error
    while seen.__cause__ or seen.__context__ or any(isinstance(a, BaseException) for a in seen.args):
        inner = next((a for a in seen.args if isinstance(a, BaseException)), None)
        following = inner or seen.__cause__ or seen.__context__
        if following is None:
            break
        seen = following
    return seen
