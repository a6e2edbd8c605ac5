"""The OAuth token endpoint's refresh grant (RFC 6749 section 6): one exchange, and what came of it."""

from __future__ import annotations

import math
import re
import time
from concurrent.futures import wait
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import requests
import urllib3
from requests.auth import HTTPBasicAuth

from tap_pleo_export.api.body import DeadlineAdapter, TransferFailed, read_body
from tap_pleo_export.api.daemon_pool import BackgroundCalls
from tap_pleo_export.api.errors import TokenRefreshFailed
from tap_pleo_export.api.retry import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

# An answer is two tokens.
LONGEST_ANSWER = 1024 * 1024
# A rotated token may be on its way: so long it is waited for after a signal, which must end the run within 10 s.
SECONDS_AFTER_SIGNAL = 7.0
LOOK_SECONDS = 0.2
# Looking up a name has no timeout of its own.
SLACK_SECONDS = 1.0
# Shorter or longer lifetimes of a token are taken for a mistake.
SHORTEST_LIFE = 1.0
LONGEST_LIFE = 10 * 366 * 86400.0
NOT_SERVED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
OUTCOME_UNKNOWN = (
    "Whether Pleo has replaced the refresh token is unknown, so it was not presented again. Run again; if it is then "
    "refused, authorise the connector again in Pleo and set the new 'refresh_token'"
)
_SENDABLE = re.compile(r"[!-~]+")
_SALVAGE = re.compile(rb'"refresh_token"\s*:\s*("(?:[^"\\]|\\.)+")')


class NotServed(Exception):
    """The endpoint has not looked at the token: another attempt is safe. ``str()`` names the cause.

    Attributes:
        retry_after: Seconds that it asked to wait, or None.
    """

    def __init__(self, cause: str, retry_after: float | None = None) -> None:
        super().__init__(cause)
        self.retry_after = retry_after


class OtherClientAuth(Exception):
    """The endpoint wants the client's credentials in a header: the next exchange sends them there."""


class Grant(msgspec.Struct, frozen=True):
    """What an answer holds.

    Attributes:
        access_token: As it came, or None; see :func:`sendable`.
        refresh_token: The new refresh token, or None.
        lifetime: Of the access token in seconds, or None if it is unknown.
    """

    access_token: str | None
    refresh_token: str | None
    lifetime: float | None

    def __repr__(self) -> str:
        """Tokens are secrets: show none."""
        return f"Grant(lifetime={self.lifetime})"


class TokenEndpoint:
    """Exchanges refresh tokens.

    Args:
        url: Its address.
        client_id: The OAuth client.
        client_secret: Its secret.
        timeout: Seconds for one request, from connecting to the last byte.
        user_agent: Sent with each request.
        stopping: Whether a signal waits for the exchange to end.
    """

    def __init__(  # noqa: PLR0913 - one argument per setting
        self,
        *,
        url: str,
        client_id: str,
        client_secret: str,
        timeout: float,
        user_agent: str,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._url = url
        self._client = {"client_id": client_id, "client_secret": client_secret}
        self._timeout = timeout
        self._user_agent = user_agent
        self._stopping = stopping
        self._by_header = False
        self._background = BackgroundCalls(1)

    def exchange(self, refresh_token: str) -> Grant:
        """Trade a refresh token in; it has been presented once when this returns or raises.

        Raises:
            NotServed: 429, 503, or a connection that was never made.
            OtherClientAuth: The client, not the token, was refused; raised once.
            TokenRefreshFailed: It was refused, or the outcome is unknown.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        auth = HTTPBasicAuth(self._client["client_id"], self._client["client_secret"]) if self._by_header else None
        status, headers, body = self._in_time(lambda: self._post(form if auth else form | self._client, auth))
        if status in NOT_SERVED:
            wanted = parse_retry_after(headers.get("Retry-After"), headers.get("Date"), datetime.now(UTC))
            raise NotServed(f"the token endpoint answered {status}", wanted)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TokenRefreshFailed(f"the token endpoint answered {status}", OUTCOME_UNKNOWN)
        if status == HTTPStatus.UNAUTHORIZED and not self._by_header and _refuses_client(body):
            self._by_header = True
            raise OtherClientAuth
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise TokenRefreshFailed(
                f"the token endpoint refused it ({status})",
                "Check 'client_id' and 'client_secret'; else authorise the connector again in Pleo and set the new "
                "'refresh_token' (the token kept in 'token_file' is used while that is unchanged)",
            )
        return read_grant(body)

    def _in_time(self, post: Callable[[], tuple[int, Any, bytes]]) -> tuple[int, Any, bytes]:
        """Wait for an answer until its time is up, or a while after a signal."""
        future = self._background.submit(post)
        ends = time.monotonic() + self._timeout + SLACK_SECONDS
        signalled = False
        while not wait([future], LOOK_SECONDS).done:
            now = time.monotonic()
            if self._stopping() and not signalled:
                signalled = True
                ends = min(ends, now + SECONDS_AFTER_SIGNAL)
            if now >= ends:
                what = "when a signal ended the run" if signalled else f"within {self._timeout:g} s"
                raise TokenRefreshFailed(f"the token endpoint did not answer {what}", OUTCOME_UNKNOWN)
        return future.result()

    def _post(self, form: dict[str, str], auth: HTTPBasicAuth | None) -> tuple[int, Any, bytes]:
        try:
            with requests.Session() as session:
                session.mount("https://", DeadlineAdapter())
                session.mount("http://", DeadlineAdapter())
                response = session.post(
                    self._url,
                    data=form,
                    # An empty callable keeps `requests` from looking for credentials in ~/.netrc.
                    auth=auth or (lambda request: request),
                    headers={
                        "Accept": "application/json",
                        "Accept-Encoding": "gzip, deflate",
                        "User-Agent": self._user_agent,
                    },
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=True,
                )
                return response.status_code, response.headers, read_body(response.raw, LONGEST_ANSWER)
        except TransferFailed as failure:
            raise TokenRefreshFailed(f"the token endpoint sent {failure}", OUTCOME_UNKNOWN) from None
        # An OSError, as those of `requests` are: a file of certificates that cannot be read.
        except (OSError, urllib3.exceptions.HTTPError) as error:
            if _never_connected(error):
                raise NotServed(
                    f"the token endpoint cannot be reached ({type(error).__name__}: check auth_url)"
                ) from None
            remedy = OUTCOME_UNKNOWN if _maybe_served(error) else "Check the setting 'auth_url' and the network"
            raise TokenRefreshFailed(f"the token endpoint did not answer ({type(error).__name__})", remedy) from None


def read_grant(body: bytes) -> Grant:
    """Return what an answer holds; a refresh token is found even where the rest is no JSON.

    Raises:
        TokenRefreshFailed: It holds no token at all.
    """
    try:
        # Members are decoded one by one: an odd one must not cost the others.
        raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _SALVAGE.search(body)
        raw = {"refresh_token": msgspec.Raw(found[1])} if found else {}
    grant = Grant(
        access_token=_text(raw.get("access_token")),
        refresh_token=_text(raw.get("refresh_token")),
        lifetime=_lifetime(raw.get("expires_in")),
    )
    if grant.access_token is None and grant.refresh_token is None:
        raise TokenRefreshFailed(
            "the token endpoint's answer is not a token", f"Check the setting 'auth_url'. {OUTCOME_UNKNOWN}"
        )
    return grant


def sendable(access_token: str | None) -> bool:
    """Return whether an access token can be sent in a header (RFC 6750: visible ASCII)."""
    return access_token is not None and _SENDABLE.fullmatch(access_token) is not None


def _text(raw: msgspec.Raw | None) -> str | None:
    try:
        return msgspec.json.decode(raw, type=str) or None if raw is not None else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _lifetime(raw: msgspec.Raw | None) -> float | None:
    """Return the seconds that ``expires_in`` states; a number as text counts, what is absurd does not."""
    try:
        value = msgspec.json.decode(raw, type=float | str | None) if raw is not None else None
        seconds = float(value) if value is not None else math.nan
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError, RecursionError):
        return None
    return seconds if SHORTEST_LIFE <= seconds <= LONGEST_LIFE else None


def _refuses_client(body: bytes) -> bool:
    """Return whether the client's own credentials were refused, not the refresh token, which must not come twice."""
    try:
        refusal = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return True
    return _text(refusal.get("error")) in {None, "invalid_client"}


def _never_connected(error: Exception) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)) or isinstance(
        reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    )


def _maybe_served(error: Exception) -> bool:
    """Return whether the request may have been read: neither TLS nor an address stood in its way."""
    if isinstance(error, requests.exceptions.SSLError):
        return False
    return isinstance(error, (requests.exceptions.ConnectionError, requests.exceptions.Timeout))
