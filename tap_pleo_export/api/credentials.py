"""Credentials as `requests` authenticators (source: Pleo's authentication pages)."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from requests.auth import AuthBase, HTTPBasicAuth

from tap_pleo_export.api.errors import TokenRefreshFailed, TransientFailure
from tap_pleo_export.api.retry import attempts_made
from tap_pleo_export.api.token_endpoint import OtherClientAuth, sendable
from tap_pleo_export.api.token_file import Tokens, fingerprint

if TYPE_CHECKING:
    import requests

    from tap_pleo_export.api.budget import RequestBudget
    from tap_pleo_export.api.retry import RetryPolicy
    from tap_pleo_export.api.token_endpoint import TokenEndpoint
    from tap_pleo_export.api.token_file import TokenFile

# A token in the last minute, or the last tenth, of its life is renewed rather than sent.
EXPIRY_MARGIN = 60.0
EXPIRY_SHARE = 0.1

logger = logging.getLogger("tap-pleo-export.auth")


class Authenticator(AuthBase):
    """Signs requests with a credential."""

    remedy: str
    """What to do when Pleo rejects the credential."""

    def renew(self, rejected: str | None) -> bool:  # noqa: ARG002 - most credentials cannot be renewed from here
        """Replace a credential whose ``Authorization`` header Pleo rejected; return whether to try again."""
        return False

    def drain(self) -> None:
        """Wait for a renewal that is under way, and start no more."""


class ApiKeyAuth(HTTPBasicAuth, Authenticator):
    """An API key: HTTP Basic, key as user name, empty password."""

    remedy = "check the setting 'api_key', or replace the key in Pleo under Settings > API Keys"

    def __init__(self, api_key: str) -> None:
        super().__init__(api_key, "")


class AccessTokenAuth(Authenticator):
    """An OAuth access token that something else keeps fresh."""

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


@dataclass(kw_only=True, eq=False, repr=False)
class RefreshTokenAuth(Authenticator):
    """OAuth refresh grant with rotation: one refresh at a time, tokens are stored on disk before they are used.

    A refusal is final: presenting a used refresh token again would revoke all tokens of the authorisation.

    Attributes:
        refresh_token: The configured refresh token.
        policy: When to try again after failures that had no effect.
        sleep: Waits; raises to end the wait early.
        shielded: A block that no signal may interrupt: between rotation and disk a token would be lost.
        learn_secrets: Called with each token, so that no log shows it.
    """

    remedy = "authorise the connector again in Pleo and set the new 'refresh_token'"

    endpoint: TokenEndpoint
    refresh_token: str
    token_file: TokenFile
    budget: RequestBudget
    policy: RetryPolicy
    sleep: Callable[[float], None] = time.sleep
    shielded: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    learn_secrets: Callable[[Iterable[str]], None] = lambda _: None

    def __post_init__(self) -> None:
        self._root = fingerprint(self.refresh_token)
        self._lock = threading.Lock()
        self._exchange_lock = threading.Lock()
        self._draining = False
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

    def drain(self) -> None:
        """Wait for an exchange that is under way, and start no more: an interrupted one loses the rotated token."""
        self._draining = True
        with self._exchange_lock:
            pass

    def _fresh(self, rejected: str | None) -> Tokens:
        # The waits are without the file's lock: another process may succeed meanwhile.
        retrying = self.policy.attempts(
            lambda error: isinstance(error, TransientFailure), before_wait=_announce_retry, sleep=self.sleep
        )
        try:
            return retrying(self._refreshed, rejected)
        except TransientFailure as failure:
            cause = f"{failure}, given up after {attempts_made(retrying)}"
            self._failure = TokenRefreshFailed(cause, "No token was used up: run again later")
            raise self._failure from None

    def _refreshed(self, rejected: str | None) -> Tokens:
        with contextlib.suppress(OtherClientAuth):
            return self._refreshed_once(rejected)
        return self._refreshed_once(rejected)

    def _refreshed_once(self, rejected: str | None) -> Tokens:
        with self.token_file.locked():
            kept = self.token_file.read(self._root)
            if kept:
                self.learn_secrets((kept.access_token, kept.refresh_token))
            usable = kept and sendable(kept.access_token) and kept.renew_at > time.time()
            if kept and usable and f"Bearer {kept.access_token}" != rejected:
                return kept
            if self._failure:
                raise self._failure
            if (wait := self.budget.take(time.monotonic())) > 0:
                self.sleep(wait)
            presented = kept.refresh_token if kept else self.refresh_token
            with self.token_file.replacement() as commit, self.shielded(), self._exchange_lock:
                if self._draining:
                    raise TokenRefreshFailed("the run is ending", "Run again")
                return self._exchanged(presented, commit)

    def _exchanged(self, presented: str, commit: Callable[[Tokens], None]) -> Tokens:
        try:
            grant = self.endpoint.exchange(presented)
        except TokenRefreshFailed as failure:
            # Other threads that wait for a token must not present this one again.
            self._failure = failure
            raise
        self.learn_secrets(token for token in (grant.access_token, grant.refresh_token) if token)
        good = grant.access_token if sendable(grant.access_token) else None
        tokens = Tokens(
            refresh_token=grant.refresh_token or presented,
            access_token=good or "",
            renew_at=renewal_time(time.time(), grant.lifetime) if good else 0.0,
            descends_from=self._root,
        )
        commit(tokens)
        if not good:
            self._failure = TokenRefreshFailed(
                "the token endpoint returned an access token that cannot be used as a header value",
                "The refresh token in the same answer is stored: run again; report it to Pleo if it happens again",
            )
            raise self._failure
        return tokens


def _announce_retry(failure: BaseException, seconds: float) -> None:
    logger.warning("OAuth: %s; trying again in %.1f s", failure, seconds)


def renewal_time(now: float, lifetime: float | None) -> float:
    """Return when to renew a token (seconds since the epoch); without a known lifetime, when it is rejected."""
    if lifetime is None:
        return sys.float_info.max
    return now + lifetime - min(EXPIRY_MARGIN, lifetime * EXPIRY_SHARE)
