"""One file behind a link: fetched without credentials, within a time and a size, piece by piece."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from tap_pleo_export.api.body import sent_on_reused_connection
from tap_pleo_export.api.retry import parse_retry_after
from tap_pleo_export.api.sender import innermost
from tap_pleo_export.attachments.addresses import PRIVATE, joined, refusal
from tap_pleo_export.attachments.connections import AddressRefused, GuardedAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE_BYTES = 256 * 1024
MOST_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
EXPIRED = (401, 403, 404, 410)
NO_LONGER = "links live for 24 hours, so run within 24 hours of reading the item; reading it again gives a new one"


class DownloadFailed(Exception):
    """A file did not come; ``str()`` says why in one line without any address.

    Attributes:
        may_pass: Whether it is worth another attempt.
        retry_after: Seconds that its server asked for, or None.
    """

    def __init__(self, reason: str, *, may_pass: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.may_pass = may_pass
        self.retry_after = retry_after


class Downloads:
    """Opens links; safe to share between threads.

    Args:
        allowed: Names of hosts, in lower case, that may be private.
        most_bytes: Of one file.
        timeout: Seconds for a whole file, from connecting to its last byte, redirects included.
        threads: How many use it at once.
        user_agent: What it says it is; nothing else is told to anyone.
    """

    def __init__(
        self, *, allowed: frozenset[str], most_bytes: int, timeout: float, threads: int, user_agent: str
    ) -> None:
        self._allowed = allowed
        self._most_bytes = most_bytes
        self._timeout = timeout
        self._threads = threads
        # No encoding: the bytes are kept as they come.
        self._headers = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._adapter = GuardedAdapter(allowed, pool_maxsize=threads)
        self._environments: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def open(self, link: object) -> Iterator[Iterator[bytes]]:
        """Ask for a file, and give its pieces; its connection is used again only if all of them were taken.

        Raises:
            DownloadFailed: There, or with any of its pieces.
        """
        ends = time.monotonic() + self._timeout
        response = self._followed(link, ends)
        try:
            yield self._pieces(response)
        except BaseException:
            response.raw.close()
            raise
        finally:
            response.raw.release_conn()

    def _followed(self, link: object, ends: float) -> requests.Response:
        scheme = None
        for _ in range(1 + MOST_REDIRECTS):
            if refused := refusal(link, self._allowed, scheme):
                raise DownloadFailed(refused)
            response = self._sent(str(link), ends)
            if response.status_code not in REDIRECTS:
                self._judge(response)
                return response
            response.raw.close()
            scheme = urlsplit(str(link)).scheme
            link = joined(str(link), response.headers.get("Location", ""))
        raise DownloadFailed(f"its link is redirected more than {MOST_REDIRECTS} times")

    def _sent(self, link: str, ends: float) -> requests.Response:
        # Not by a session: it would add credentials of a .netrc, and cookies.
        request = requests.PreparedRequest()
        request.method, request.url = "GET", link
        request.headers = CaseInsensitiveDict(self._headers)
        for attempt in range(1 + self._threads):
            left = ends - time.monotonic()
            if left <= 0:
                break
            try:
                return self._adapter.send(request, timeout=left, **self._environment(link))
            except AddressRefused:
                raise DownloadFailed(PRIVATE) from None
            except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
                break
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                # A kept-alive connection that its other end had closed is replaced at once.
                closed = isinstance(innermost(error), (http.client.RemoteDisconnected, ConnectionError))
                if not closed or not sent_on_reused_connection() or attempt == self._threads:
                    raise _failure(error) from None
        raise self._late()

    def _environment(self, link: str) -> dict[str, Any]:
        """Return the proxies and certificates that the environment names."""
        address = urlsplit(link)
        origin = f"{address.scheme}://{address.netloc}"
        with self._lock:
            if origin not in self._environments:
                with requests.Session() as session:
                    # The third argument: the body is read here, not by `requests`.
                    settings = session.merge_environment_settings(origin, {}, True, None, None)  # noqa: FBT003
                self._environments[origin] = dict(settings)
            return self._environments[origin]

    def _judge(self, response: requests.Response) -> None:
        """Refuse an answer that is no file.

        Raises:
            DownloadFailed: With what is known of it.
        """
        status, headers = response.status_code, response.headers
        reason, retry_after = "", None
        if status in EXPIRED:
            reason = f"HTTP {status}: {NO_LONGER}"
        elif status != HTTPStatus.OK:
            reason = f"HTTP {status}"
            retry_after = parse_retry_after(headers.get("Retry-After"), headers.get("Date"), datetime.now(UTC))
        elif headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
            reason = "came in an encoding that was not asked for"
        elif (response.raw.length_remaining or 0) > self._most_bytes:
            reason = self._too_large()
        if reason:
            response.raw.close()
            raise DownloadFailed(reason, may_pass=status in MAY_PASS, retry_after=retry_after)

    def _pieces(self, response: requests.Response) -> Iterator[bytes]:
        size = 0
        while True:
            try:
                piece: bytes = response.raw.read(PIECE_BYTES, decode_content=False)
            except (urllib3.exceptions.TimeoutError, TimeoutError):
                raise self._late() from None
            except (urllib3.exceptions.HTTPError, OSError, ValueError, OverflowError):
                raise DownloadFailed("broke off before its end", may_pass=True) from None
            if not piece:
                return
            size += len(piece)
            if size > self._most_bytes:
                raise DownloadFailed(self._too_large())
            yield piece

    def _late(self) -> DownloadFailed:
        return DownloadFailed(f"did not come whole within {self._timeout:g} s", may_pass=True)

    def _too_large(self) -> str:
        return f"has more than {self._most_bytes:,} bytes (max_file_bytes)"

    def close(self) -> None:
        """Close all connections."""
        self._adapter.close()


def _failure(error: BaseException) -> DownloadFailed:
    reason = innermost(error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadFailed(f"its server's certificate cannot be verified ({reason.verify_message})")
    # What the operating system said, without addresses.
    said = isinstance(reason, OSError) and reason.strerror
    kind = type(reason).__name__
    cause = {"NameResolutionError": "its server's name is not known"}.get(kind, f"no connection ({kind})")
    return DownloadFailed(said.lower() if said else cause, may_pass=True)
