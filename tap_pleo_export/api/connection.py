"""From the values of settings to what all requests of a run share."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from tap_pleo_export.api.budget import RequestBudget
from tap_pleo_export.api.client import PleoClient
from tap_pleo_export.api.credentials import AccessTokenAuth, ApiKeyAuth, RefreshTokenAuth
from tap_pleo_export.api.daemon_pool import BackgroundCalls
from tap_pleo_export.api.paging import Listing, Row
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.api.token_endpoint import TokenEndpoint
from tap_pleo_export.api.token_file import TokenFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_pleo_export.api.credentials import Authenticator
    from tap_pleo_export.api.paging import Page, Token
    from tap_pleo_export.api.request import Call
    from tap_pleo_export.api.sender import Transport

# Pleo documents no largest page; this is asked for where rows are small.
LARGE_PAGE = 1000
# For who reads small rows only.
PAGE_SIZE = 100
MOST_HALVINGS = 8


@dataclass(kw_only=True)
class Connection:
    """What all requests of a run share.

    Attributes:
        api_url: Base address without a trailing slash.
        authenticator: Signs each request.
        client: Sends the requests.
        page_size: Rows asked for where rows are large, and elsewhere if Pleo refuses larger pages.
        large_page: Rows asked for where rows are small; becomes ``page_size`` once Pleo refuses.
        concurrency: Page requests of one export job in flight.
        background: The threads that send them.
    """

    api_url: str
    authenticator: Authenticator
    client: PleoClient
    page_size: int
    concurrency: int
    background: BackgroundCalls
    large_page: int = LARGE_PAGE

    @classmethod
    def from_settings(  # noqa: PLR0913 - what a plugin lends to the connection
        cls,
        settings: Mapping[str, Any],
        *,
        user_agent: str,
        scopes: Iterable[str],
        shielded: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        stopping: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
        learn_secrets: Callable[[Iterable[str]], None] = lambda _: None,
        transport: Transport | None = None,
    ) -> Connection:
        """Return the connection that settings describe.

        Args:
            settings: The settings that are set, by name.
            user_agent: Sent with each request to the token endpoint.
            scopes: The OAuth scopes that all requests together need.
            shielded: A block that no signal may end.
            stopping: Whether a signal waits for such a block to end.
            sleep: Waits before a request; raises to end the wait early.
            learn_secrets: Told of each new token, so that no log shows it.
            transport: What sends the requests, where several connections share one; it is the caller's to close.
        """
        # In the spelling that `requests` sends: international names as ASCII.
        api_url = requests.Request("GET", settings["api_url"]).prepare().url or settings["api_url"]
        concurrency = settings.get("max_concurrent_requests", 1)
        budget = RequestBudget(settings["max_requests_per_minute"])
        policy = RetryPolicy(max_retries=settings["max_retries"])
        refreshing = {
            "budget": budget,
            "policy": policy,
            "shielded": shielded,
            "learn_secrets": learn_secrets,
        }
        return cls(
            api_url=api_url.rstrip("/"),
            authenticator=_authenticator(settings, user_agent, stopping, refreshing),
            client=PleoClient(budget=budget, policy=policy, scopes=scopes, sleep=sleep, transport=transport),
            page_size=settings.get("page_size", PAGE_SIZE),
            concurrency=concurrency,
            background=BackgroundCalls(concurrency),
        )

    def listing(
        self,
        request: Callable[[Token], Call],
        decode: Callable[[bytes], Page[Row]],
        **options: Any,  # noqa: ANN401 - see `Listing`
    ) -> Listing[Row]:
        """Return a list of Pleo's.

        Args:
            request: Returns the request for the page that begins at a token.
            decode: Decodes a page's body.
            options: Further attributes of :class:`Listing`.
        """
        return Listing(
            send=self.client.send,
            read=self.client.read,
            reduce_page_size=self.ask_for_less,
            pool=self.background,
            allowed_concurrency=self.width,
            request=request,
            decode=decode,
            **options,
        )

    def width(self) -> int:
        """Return how many pages may be in flight: half as many each time that Pleo throttles."""
        return max(1, self.concurrency >> min(self.client.throttled, MOST_HALVINGS))

    def ask_for_less(self, asked: object) -> bool:
        """Ask for pages of ``page_size`` from now on; return whether the refused ``limit`` asked for more."""
        if not isinstance(asked, int) or asked <= self.page_size:
            return False
        self.large_page = self.page_size
        return True

    def close(self) -> None:
        """Close all connections, after a token refresh in hand."""
        self.authenticator.settle()
        self.client.close()


def _authenticator(
    settings: Mapping[str, Any], user_agent: str, stopping: Callable[[], bool], refreshing: Mapping[str, Any]
) -> Authenticator:
    if "api_key" in settings:
        return ApiKeyAuth(settings["api_key"])
    if "access_token" in settings:
        return AccessTokenAuth(settings["access_token"])
    endpoint = TokenEndpoint(
        url=settings["auth_url"],
        client_id=settings["client_id"],
        client_secret=settings["client_secret"],
        timeout=settings["request_timeout"],
        user_agent=user_agent,
        stopping=stopping,
    )
    token_file = TokenFile(Path(settings["token_file"]))
    return RefreshTokenAuth(
        endpoint=endpoint, refresh_token=settings["refresh_token"], token_file=token_file, **refreshing
    )
