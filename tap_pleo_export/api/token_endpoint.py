"""The OAuth token endpoint's refresh grant (RFC 6749 section 6)."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import requests
from requests.auth import HTTPBasicAuth

from tap_pleo_export.api.daemon_pool import DaemonPool
from tap_pleo_export.api.errors import AnswerTooLarge, TokenRefreshFailed, TransientFailure

if TYPE_CHECKING:
    from tap_pleo_export.api.sender import RawResponse, Sender

# An answer contains two tokens.
MAX_ANSWER = 1024 * 1024
# How long to wait after a signal for a rotated token that may be on its way; the signal must end the run within 10 s.
SECONDS_AFTER_SIGNAL = 7.0
POLL_SECONDS = 0.2
# Name lookup has no timeout.
NAME_LOOKUP_SECONDS = 1.0
# Shorter and longer lifetimes of a token count as unknown.
MIN_LIFETIME = 1.0
MAX_LIFETIME = 10 * 366 * 86400.0
NOT_SERVED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
OUTCOME_UNKNOWN = (
    "Whether Pleo has replaced the refresh token is unknown, so it was not presented again. Run again; if it is then "
    "refused, authorise the connector again in Pleo and set the new 'refresh_token'"
)
_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_SENDABLE = re.compile(r"[!-~]+")
_SALVAGE = re.compile(rb'"refresh_token"\s*:\s*("(?:[^"\\]|\\.)+")')


class OtherClientAuth(Exception):
    """The endpoint may want the client's credentials in a header: the next exchange sends them there."""


class Grant(msgspec.Struct, frozen=True):
    """The tokens in an answer.

    Attributes:
        access_token: The access token as received, or None; see :func:`sendable`.
        refresh_token: The new refresh token, or None.
        lifetime: Lifetime of the access token in seconds, or None if unknown.
    """

    access_token: str | None
    refresh_token: str | None
    lifetime: float | None

    def __repr__(self) -> str:
        """Tokens are secrets: show none."""
        return f"Grant(lifetime={self.lifetime})"


@dataclass(kw_only=True, eq=False, repr=False)
class TokenEndpoint:
    """Exchanges refresh tokens.

    Attributes:
        timeout: Seconds for one request, from connecting to the last byte.
        stopping: Whether a signal waits for the exchange to end.
    """

    url: str
    client_id: str
    client_secret: str
    timeout: float
    user_agent: str
    sender: Sender
    stopping: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self._client_in_header = False
        self._pool = DaemonPool(1)

    def exchange(self, refresh_token: str) -> Grant:
        """Exchange a refresh token; it has been presented once when this returns or raises.

        Raises:
            TransientFailure: 429, 503, or a connection that was never made: the token was not used up.
            OtherClientAuth: The client was refused, not the token; raised at most once.
            TokenRefreshFailed: The token was refused, or the outcome is unknown.
            NetworkUnusable: No request can be sent.
        """
        response = self._answer(self._request(refresh_token))
        answered = f"the token endpoint answered {response.status}"
        if response.status in NOT_SERVED:
            raise TransientFailure(answered, response.retry_after, no_effect=True)
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TokenRefreshFailed(answered, OUTCOME_UNKNOWN)
        if response.status == HTTPStatus.UNAUTHORIZED and not self._client_in_header and _refuses_client(response.body):
            self._client_in_header = True
            raise OtherClientAuth
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise TokenRefreshFailed(
                f"the token endpoint refused it ({response.status})",
                "Check 'client_id' and 'client_secret'; otherwise authorise the connector again in Pleo and set the "
                "new 'refresh_token' (until you change it, the token in 'token_file' is used)",
            )
        return read_grant(response.body)

    def _request(self, refresh_token: str) -> requests.PreparedRequest:
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": self.user_agent}
        form, auth = {"grant_type": "refresh_token", "refresh_token": refresh_token}, None
        if self._client_in_header:
            auth = HTTPBasicAuth(self.client_id, self.client_secret)
        else:
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        return requests.Request("POST", self.url, headers, data=form, auth=auth).prepare()

    def _answer(self, request: requests.PreparedRequest) -> RawResponse:
        try:
            return self._in_time(lambda: self.sender.send(request, self.timeout, max_bytes=MAX_ANSWER))
        except AnswerTooLarge as failure:
            raise TokenRefreshFailed(f"the token endpoint's answer is too large: {failure}", OUTCOME_UNKNOWN) from None
        except TransientFailure as failure:
            if failure.no_effect:
                cause = f"the token endpoint cannot be reached ({failure}: check auth_url)"
                raise TransientFailure(cause, no_effect=True) from None
            remedy = "Check 'auth_url' and the network. " if failure.misdirected else ""
            raise TokenRefreshFailed(
                f"no usable answer from the token endpoint ({failure})", remedy + OUTCOME_UNKNOWN
            ) from None

    def _in_time(self, send: Callable[[], RawResponse]) -> RawResponse:
        """Wait for an answer until its deadline, or for a short while after a signal."""
        future = self._pool.submit(send)
        ends = time.monotonic() + self.timeout + NAME_LOOKUP_SECONDS
        signalled = False
        while not wait([future], POLL_SECONDS).done:
            now = time.monotonic()
            if self.stopping() and not signalled:
                signalled = True
                ends = min(ends, now + SECONDS_AFTER_SIGNAL)
            if now >= ends:
                what = "before a signal ended the run" if signalled else f"within {self.timeout:g} s"
                raise TokenRefreshFailed(f"no answer from the token endpoint {what}", OUTCOME_UNKNOWN)
        return future.result()


def read_grant(body: bytes) -> Grant:
    """Return the tokens in an answer; a refresh token is found even if the rest is not JSON.

    Raises:
        TokenRefreshFailed: The answer contains no token at all.
    """
    try:
        # Members are decoded one by one: a bad one must not cost the others.
        raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except _NOT_JSON:
        found = _SALVAGE.search(body)
        raw = {"refresh_token": msgspec.Raw(found[1])} if found else {}
    grant = Grant(
        access_token=_text(raw.get("access_token")),
        refresh_token=_text(raw.get("refresh_token")),
        lifetime=_lifetime(raw.get("expires_in")),
    )
    if grant.access_token is None and grant.refresh_token is None:
        raise TokenRefreshFailed(
            "the token endpoint's answer contains no token", f"Check the setting 'auth_url'. {OUTCOME_UNKNOWN}"
        )
    return grant


def sendable(access_token: str | None) -> bool:
    """Return whether an access token can be sent in a header (RFC 6750: visible ASCII)."""
    return access_token is not None and _SENDABLE.fullmatch(access_token) is not None


def _text(raw: msgspec.Raw | None) -> str | None:
    try:
        return msgspec.json.decode(raw, type=str) or None if raw is not None else None
    except _NOT_JSON:
        return None


def _lifetime(raw: msgspec.Raw | None) -> float | None:
    """Return the seconds of ``expires_in``, a number or a number as text; None if absurd."""
    try:
        value = msgspec.json.decode(raw, type=float | str | None) if raw is not None else None
        seconds = float(value) if value is not None else math.nan
    except (*_NOT_JSON, ValueError, OverflowError):
        return None
    return seconds if MIN_LIFETIME <= seconds <= MAX_LIFETIME else None


def _refuses_client(body: bytes) -> bool:
    """Return whether the client was refused rather than the refresh token, which must not be presented twice."""
    try:
        refusal = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except _NOT_JSON:
        return True
    return _text(refusal.get("error")) in {None, "invalid_client"}
