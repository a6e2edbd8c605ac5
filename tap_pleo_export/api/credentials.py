"""Credentials as `requests` authenticators.

The forms are those of Pleo's authentication pages: an API key is HTTP Basic with the key as user name and an
empty password; an OAuth access token is a Bearer token; a refresh token is exchanged for access tokens and rotates.
"""

from __future__ import annotations

import contextlib
import logging
import random
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

from requests.auth import AuthBase, HTTPBasicAuth

from tap_pleo_export.api.errors import TokenRefreshFailed
from tap_pleo_export.api.token_endpoint import NotServed, OtherClientAuth, sendable
from tap_pleo_export.api.token_file import Tokens, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import requests

    from tap_pleo_export.api.budget import RequestBudget
    from tap_pleo_export.api.retry import RetryPolicy
    from tap_pleo_export.api.token_endpoint import TokenEndpoint
    from tap_pleo_export.api.token_file import Replacement, TokenFile

# A token in the last minute, or the last tenth, of its life is renewed rather than sent.
EXPIRY_MARGIN = 60.0
EXPIRY_SHARE = 0.1

logger = logging.getLogger("tap-pleo-export.auth")


class Authenticator(Protocol):
    """A way to sign requests."""

    remedy: str
    """What to do when Pleo rejects the credential."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign the request."""

    def renew(self, rejected: str | None) -> bool:
        """Replace a credential that Pleo rejected; return whether another attempt makes sense.

        Args:
            rejected: The ``Authorization`` header that was rejected.
        """

    def settle(self) -> None:
        """Return once no renewal is under way."""


class ApiKeyAuth(HTTPBasicAuth):
    """An API key: HTTP Basic, key as user name, empty password."""

    remedy = "check the setting 'api_key', or replace the key in Pleo under Settings > API Keys"

    def __init__(self, api_key: str) -> None:
        super().__init__(api_key, "")

    def renew(self, rejected: str | None) -> bool:  # noqa: ARG002 - the protocol's signature
        """A key cannot be renewed from here."""
        return False

    def settle(self) -> None:
        """Nothing can be under way."""


class AccessTokenAuth(AuthBase):
    """An OAuth access token that somebody else keeps fresh."""

    remedy = (
        "the setting 'access_token' has expired or is wrong; set a new one, or let the connector refresh it with "
        "'client_id', 'client_secret' and 'refresh_token'"
    )

    def __init__(self, access_token: str) -> None:
        self._header = f"Bearer {access_token}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign the request."""
        request.headers["Authorization"] = self._header
        return request

    def renew(self, rejected: str | None) -> bool:  # noqa: ARG002 - the protocol's signature
        """A bare access token cannot be renewed from here."""
        return False

    def settle(self) -> None:
        """Nothing can be under way."""


class RefreshTokenAuth(AuthBase):
    """OAuth refresh grant with rotation: one refresh at a time, kept on the disk before first use.

    A refusal is final: replaying a refresh token that has ended would end all others of the same authorisation.

    Args:
        endpoint: Where tokens are exchanged.
        refresh_token: The configured refresh token.
        token_file: Where rotated tokens are kept.
        budget: Holds requests back, see :class:`RequestBudget`.
        policy: When to try again what had no effect.
        sleep: Waits; raises to end the wait early.
        shielded: A block that no signal may end: between rotation and disk a token would be lost.
        learn_secrets: Told of each token, so that no log shows it.
    """

    remedy = "authorise the connector again in Pleo and set the new 'refresh_token'"

    def __init__(  # noqa: PLR0913 - its parts are given, not made
        self,
        *,
        endpoint: TokenEndpoint,
        refresh_token: str,
        token_file: TokenFile,
        budget: RequestBudget,
        policy: RetryPolicy,
        sleep: Callable[[float], None] = time.sleep,
        shielded: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        learn_secrets: Callable[[Iterable[str]], None] = lambda _: None,
    ) -> None:
        self._endpoint = endpoint
        self._configured = refresh_token
        self._root = fingerprint(refresh_token)
        self._file = token_file
        self._budget = budget
        self._policy = policy
        self._sleep = sleep
        self._shielded = shielded
        self._learn_secrets = learn_secrets
        self._lock = threading.Lock()
        self._in_hand = threading.Lock()
        self._settled = False
        self._tokens: Tokens | None = None
        self._failure: TokenRefreshFailed | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign the request, refreshing first if the access token is absent or about to end."""
        with self._lock:
            if self._tokens is None or self._tokens.renew_at <= time.time():
                self._tokens = self._fresh(rejected=None)
            request.headers["Authorization"] = f"Bearer {self._tokens.access_token}"
        return request

    def renew(self, rejected: str | None) -> bool:
        """Refresh once, unless another thread or process already did."""
        with self._lock:
            if self._tokens is None or f"Bearer {self._tokens.access_token}" == rejected:
                self._tokens = self._fresh(rejected)
        return True

    def settle(self) -> None:
        """Return once no exchange is under way, and begin no more: one that is cut off loses the rotated token."""
        self._settled = True
        with self._in_hand:
            pass

    def _fresh(self, rejected: str | None) -> Tokens:
        began = time.monotonic()
        attempt = 1
        while True:
            try:
                return self._refreshed(rejected)
            except OtherClientAuth:
                continue
            except NotServed as failure:
                wait = self._policy.wait(attempt, failure.retry_after, random.random())  # noqa: S311 - spreads load
                if wait is None or time.monotonic() - began + wait > self._policy.deadline:
                    times = f"{attempt} attempt{'s' if attempt > 1 else ''}"
                    self._failure = TokenRefreshFailed(
                        f"{failure}, given up after {times}", "No token was used up: run again later"
                    )
                    raise self._failure from None
                logger.warning("OAuth: %s; trying again in %.1f s", failure, wait)
            # Without the file's lock: another process may have more luck.
            self._sleep(wait)
            attempt += 1

    def _refreshed(self, rejected: str | None) -> Tokens:
        with self._file.locked():
            kept = self._file.read(self._root)
            if kept:
                self._learn_secrets((kept.access_token, kept.refresh_token))
            if kept and f"Bearer {kept.access_token}" != rejected and _usable(kept):
                return kept
            if self._failure:
                raise self._failure
            self._sleep_within_budget()
            presented = kept.refresh_token if kept else self._configured
            with self._file.replacement() as successor, self._shielded(), self._in_hand:
                if self._settled:
                    raise TokenRefreshFailed("the run is ending", "Run again")
                return self._exchanged(presented, successor)

    def _exchanged(self, presented: str, successor: Replacement) -> Tokens:
        try:
            grant = self._endpoint.exchange(presented)
        except TokenRefreshFailed as failure:
            # Other threads that wait for a token must not present this one again.
            self._failure = failure
            raise
        self._learn_secrets(token for token in (grant.access_token, grant.refresh_token) if token)
        good = sendable(grant.access_token)
        tokens = Tokens(
            refresh_token=grant.refresh_token or presented,
            access_token=grant.access_token if good and grant.access_token else "",
            renew_at=renewal_time(time.time(), grant.lifetime) if good else 0.0,
            descends_from=self._root,
        )
        successor.commit(tokens)
        if not good:
            self._failure = TokenRefreshFailed(
                "the token endpoint's access token is none that can be sent",
                "The refresh token that came with it is kept: run again; report it to Pleo if it stays",
            )
            raise self._failure
        return tokens

    def _sleep_within_budget(self) -> None:
        wait = self._budget.take(time.monotonic())
        if wait > 0:
            self._sleep(wait)


def _usable(kept: Tokens) -> bool:
    return sendable(kept.access_token) and kept.renew_at > time.time()


def renewal_time(now: float, lifetime: float | None) -> float:
    """Return when to renew a token (seconds since the epoch); a token without a stated end lasts until rejected."""
    if lifetime is None:
        return sys.float_info.max
    return now + lifetime - min(EXPIRY_MARGIN, lifetime * EXPIRY_SHARE)
