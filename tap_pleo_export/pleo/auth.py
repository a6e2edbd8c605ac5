"""Credentials as `requests` authenticators.

The forms are those of Pleo's authentication pages: an API key is HTTP Basic with the key as user name and an
empty password; an OAuth access token is a Bearer token; a refresh token is exchanged for access tokens and rotates.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

import msgspec
import requests
from requests.auth import AuthBase, HTTPBasicAuth

from tap_pleo_export.pleo.errors import TokenRefreshFailed
from tap_pleo_export.pleo.token_file import Tokens, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_pleo_export.pleo.token_file import Replacement, TokenFile

# A token in the last minute, or the last tenth, of its life is renewed rather than sent.
EXPIRY_MARGIN = 60.0
EXPIRY_SHARE = 0.1
HTTP_MULTIPLE_CHOICES = 300
HTTP_UNAUTHORIZED = 401
HTTP_TOO_MANY_REQUESTS = 429
HTTP_SERVER_ERROR = 500

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


class TokenAnswer(msgspec.Struct):
    """A successful answer of the token endpoint (RFC 6749 section 5.1)."""

    access_token: str
    expires_in: float | None = None
    refresh_token: str | None = None


class TokenRefusal(msgspec.Struct):
    """A refusal of the token endpoint (RFC 6749 section 5.2)."""

    error: str = "invalid_client"


class RefreshTokenAuth(AuthBase):
    """OAuth refresh grant with rotation: one refresh at a time, kept on the disk before first use.

    A refusal is final: replaying a refresh token that has ended would end all others of the same authorisation.

    Args:
        client_id: The OAuth client.
        client_secret: Its secret.
        refresh_token: The configured refresh token.
        auth_url: The token endpoint.
        token_file: Where rotated tokens are kept, or None to keep them in memory only.
        timeout: Seconds for one request.
        user_agent: Sent with each request.
        shielded: A block that no signal may end: between rotation and disk a token would be lost.
        learn_secrets: Told of each new token, so that no log shows it.
    """

    remedy = "authorise the connector again in Pleo and set the new 'refresh_token'"

    def __init__(  # noqa: PLR0913 - one argument per setting
        self,
        *,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        auth_url: str,
        token_file: TokenFile | None,
        timeout: float,
        user_agent: str,
        shielded: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        learn_secrets: Callable[[Iterable[str]], None] = lambda _: None,
    ) -> None:
        self._client = {"client_id": client_id, "client_secret": client_secret}
        self._configured = refresh_token
        self._root = fingerprint(refresh_token)
        self._auth_url = auth_url
        self._file = token_file
        self._timeout = timeout
        self._user_agent = user_agent
        self._shielded = shielded
        self._learn_secrets = learn_secrets
        self._lock = threading.Lock()
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
        """Return once no refresh is under way: one that is cut off loses the rotated token."""
        with self._lock:
            pass

    def _fresh(self, rejected: str | None) -> Tokens:
        with self._shielded(), self._exclusive():
            kept = self._file.read(self._root) if self._file else self._tokens
            if kept and f"Bearer {kept.access_token}" != rejected and kept.renew_at > time.time():
                return kept
            if self._failure:
                raise self._failure
            with self._replacement() as replacement:
                try:
                    answer = self._exchange(kept.refresh_token if kept else self._configured)
                except TokenRefreshFailed as failure:
                    # Other threads that wait for a token must not present this one again.
                    self._failure = failure
                    raise
                tokens = Tokens(
                    refresh_token=answer.refresh_token or (kept.refresh_token if kept else self._configured),
                    access_token=answer.access_token,
                    renew_at=renewal_time(time.time(), answer.expires_in),
                    descends_from=self._root,
                )
                self._learn_secrets((tokens.access_token, tokens.refresh_token))
                if replacement:
                    replacement.commit(tokens)
                elif answer.refresh_token and kept is None:
                    logger.warning(
                        "Pleo rotated the refresh token and the setting 'token_file' is not set: the new token is lost "
                        "when this run ends, and the configured 'refresh_token' may no longer work. Set 'token_file'"
                    )
            return tokens

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._file.locked() if self._file else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def _replacement(self) -> Iterator[Replacement | None]:
        with self._file.replacement() if self._file else contextlib.nullcontext() as replacement:
            yield replacement

    def _exchange(self, refresh_token: str) -> TokenAnswer:
        """Trade the refresh token in: client credentials as form fields, as HTTP Basic if that is refused."""
        grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        response = self._post(grant | self._client, None)
        if _client_refused(response):
            response = self._post(grant, HTTPBasicAuth(self._client["client_id"], self._client["client_secret"]))
        status = response.status_code
        if status == HTTP_TOO_MANY_REQUESTS or status >= HTTP_SERVER_ERROR:
            raise TokenRefreshFailed(f"the token endpoint answered {status}", "Run again later")
        if status >= HTTP_MULTIPLE_CHOICES:
            raise TokenRefreshFailed(f"the token endpoint refused it ({status})", self._advice())
        try:
            return msgspec.json.decode(response.content, type=TokenAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise TokenRefreshFailed(
                "the token endpoint's answer is not a token", "Check the setting 'auth_url'"
            ) from None

    def _post(self, form: dict[str, str], auth: HTTPBasicAuth | None) -> requests.Response:
        try:
            return requests.post(
                self._auth_url,
                data=form,
                # An empty callable keeps `requests` from looking for credentials in ~/.netrc.
                auth=auth or (lambda request: request),
                headers={"Accept": "application/json", "User-Agent": self._user_agent},
                timeout=self._timeout,
                allow_redirects=False,
            )
        # An OSError, as those of `requests` are: a file of certificates that cannot be read.
        except OSError as error:
            raise TokenRefreshFailed(
                f"the token endpoint did not answer ({type(error).__name__})",
                "Check the setting 'auth_url' and the network, then run again",
            ) from None

    def _advice(self) -> str:
        where = f" (the kept one in {self._file.path} is used while 'refresh_token' is unchanged)" if self._file else ""
        return f"Check 'client_id' and 'client_secret'; else {self.remedy}{where}"


def _client_refused(response: requests.Response) -> bool:
    """Return whether the client's own credentials were refused, not the refresh token, which must not come twice."""
    try:
        refusal = msgspec.json.decode(response.content, type=TokenRefusal)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        refusal = TokenRefusal()
    return response.status_code == HTTP_UNAUTHORIZED and refusal.error == "invalid_client"


def renewal_time(now: float, expires_in: float | None) -> float:
    """Return when to renew a token (seconds since the epoch); a token without a stated end lasts until rejected."""
    if expires_in is None:
        return sys.float_info.max
    return now + expires_in - min(EXPIRY_MARGIN, expires_in * EXPIRY_SHARE)
