"""Download one file: no credentials are sent, and a deadline, a size limit and the rules for addresses apply."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from tap_pleo_export.api.deadline import RAW_TARGET
from tap_pleo_export.api.errors import NetworkUnusable, TransientFailure
from tap_pleo_export.api.retry import parse_retry_after
from tap_pleo_export.api.sender import Sender, pieces
from tap_pleo_export.attachments.addresses import PRIVATE, joined, may_connect, refusal, target
from tap_pleo_export.attachments.errors import DownloadFailed

MAX_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
EXPIRED = (401, 403, 404, 410)
NO_LONGER = "links live for 24 hours, so run within 24 hours of reading the item; reading it again gives a new one"


class Downloads:
    """Opens links; safe to share between threads.

    Args:
        allowed: Names of hosts, in lower case, that may be private.
        max_bytes: Maximum bytes of one file.
        user_agent: The User-Agent header.
    """

    def __init__(self, *, allowed: frozenset[str], max_bytes: int, user_agent: str) -> None:
        self._allowed = allowed
        self._max_bytes = max_bytes
        # No encoding: the bytes are stored as they are sent.
        self._headers = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._sender = Sender(self._resolve)

    @contextlib.contextmanager
    def open(self, link: object, ends: float) -> Iterator[Iterator[bytes]]:
        """Request a file and give its pieces; the connection is reused only if all of them were taken.

        Args:
            link: The link, of any type.
            ends: When the last byte must have arrived, redirects included, on the clock of `time.monotonic`.

        Raises:
            DownloadFailed: The file cannot be had; also raised while the pieces are read.
            TransientFailure: Another attempt may succeed; likewise.
        """
        timeout = ends - time.monotonic()
        response = self._follow(link, ends)
        try:
            yield self._limited(pieces(response, timeout))
        except BaseException:
            response.raw.close()
            raise
        finally:
            response.raw.release_conn()

    def close(self) -> None:
        """Close all connections."""
        self._sender.close()

    def _resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host that may be connected to; a second look-up might give others."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
        permitted = [address for address in addresses if may_connect(host, address, self._allowed)]
        if not permitted:
            raise DownloadFailed(PRIVATE)
        return permitted

    def _follow(self, link: object, ends: float) -> requests.Response:
        scheme = None
        for _ in range(1 + MAX_REDIRECTS):
            if refused := refusal(link, self._allowed, scheme):
                raise DownloadFailed(refused)
            response = self._send(str(link), ends)
            if response.status_code not in REDIRECTS:
                self._check(response)
                return response
            response.raw.close()
            scheme = urlsplit(str(link)).scheme
            link = joined(str(link), response.headers.get("Location", ""))
        raise DownloadFailed(f"its link is redirected more than {MAX_REDIRECTS} times")

    def _send(self, link: str, ends: float) -> requests.Response:
        request = requests.PreparedRequest()
        request.method, request.url = "GET", link
        request.headers = CaseInsensitiveDict(self._headers | {RAW_TARGET: target(link)})
        left = ends - time.monotonic()
        if left <= 0:
            raise TransientFailure("no answer in time")
        try:
            return self._sender.open(request, left)
        except NetworkUnusable as error:
            raise DownloadFailed(error.what) from None

    def _check(self, response: requests.Response) -> None:
        status, headers = response.status_code, response.headers
        failure: Exception
        if status in MAY_PASS:
            wait = parse_retry_after(headers.get("Retry-After"), headers.get("Date"), datetime.now(UTC))
            failure = TransientFailure(f"HTTP {status}", wait)
        elif status != HTTPStatus.OK:
            failure = DownloadFailed(f"HTTP {status}: {NO_LONGER}" if status in EXPIRED else f"HTTP {status}")
        elif headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
            failure = DownloadFailed("has a Content-Encoding that was not requested")
        elif (response.raw.length_remaining or 0) > self._max_bytes:
            failure = self._too_large()
        else:
            return
        response.raw.close()
        raise failure

    def _limited(self, content: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        for piece in content:
            size += len(piece)
            if size > self._max_bytes:
                raise self._too_large()
            yield piece

    def _too_large(self) -> DownloadFailed:
        return DownloadFailed(f"has more than {self._max_bytes:,} bytes (max_file_bytes)")
